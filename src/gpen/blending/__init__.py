"""Blending restored faces into an image: fusion, masks, grain, pasting."""
