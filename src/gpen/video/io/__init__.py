"""Reading and writing videos: decoding, encoding, other streams."""
