"""Trains the network that judges how far a face crop can be trusted; see `gpen.blending.fusion`."""
