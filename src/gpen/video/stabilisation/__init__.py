"""Keeping restored faces and brightness from flickering."""
