"""What `gpen.finish` is made of: kept regions, things in front of a face, grain."""
