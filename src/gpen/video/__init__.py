"""Video: clips read, restored and written frame by frame."""
