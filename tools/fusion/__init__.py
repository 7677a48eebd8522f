"""Trains the network of `gpen.blending.reliability_estimator`."""
