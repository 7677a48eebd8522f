"""Video: videos read, restored and written frame by frame."""
