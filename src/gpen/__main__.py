"""`python -m gpen` is `gpen`."""

from .apps.cli import main

main()
