"""Images: reading, writing, file formats, transforms and colour."""
