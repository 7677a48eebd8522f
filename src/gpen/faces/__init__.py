"""Faces: detection, selection, alignment, landmarks, embedding, restoration."""
