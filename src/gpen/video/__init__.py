"""Restoring videos frame by frame."""
