"""How good restored faces are: figures, comparisons, sheets."""
