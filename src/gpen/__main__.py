"""`python -m gpen` is `gpen`."""

from .cli.app import main

main()
