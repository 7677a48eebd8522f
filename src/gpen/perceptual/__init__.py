"""Perceptual and identity distances by networks read from weight files."""
