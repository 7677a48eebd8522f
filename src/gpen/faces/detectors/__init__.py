"""The face detectors, one module each; `gpen.faces.detection` chooses among them."""
