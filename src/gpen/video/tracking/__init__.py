"""Following faces through a video: tracklets, scene cuts, smoothing."""
