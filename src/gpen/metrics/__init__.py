"""Metrics of restored faces, comparisons and sheets."""
