"""Networks that judge pictures: perceptual distances and identities, read from weight files."""
