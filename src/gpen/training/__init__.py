"""Making weights: degradations, losses, loops."""
