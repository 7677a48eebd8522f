"""Networks that judge images: perceptual distances and identities, read from weight files."""
