"""Doors: thin programs over `gpen.pipeline`."""
