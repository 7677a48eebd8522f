"""gpen in other programs: their libraries and their files."""
