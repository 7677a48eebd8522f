"""Enlarging whole images by upscaler networks, tile by tile."""
