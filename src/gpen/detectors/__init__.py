"""The face detectors that gpen can run, one module each; `gpen.detect` chooses among them."""
