"""DiffAugment (Zhao et al., NeurIPS 2020): random changes to real and restored faces alike.

They keep a discriminator from memorising a small data set. Gradients pass through them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_BRIGHTNESS, _SATURATION, _CONTRAST = 0.5, 1.0, 0.5
_SHIFT = 1 / 8


def augment(images: Tensor) -> Tensor:
    """Recolour and shift each image, (N, 3, S, S), at random; gradients pass through."""
    if not len(images):
        return images
    return _shift(_recolour(images))


def _recolour(images: Tensor) -> Tensor:
    """Brightness, saturation and contrast."""
    brightness, saturation, contrast = (
        torch.rand(len(images), 1, 1, 1, device=images.device) for _ in range(3)
    )
    images = images + _BRIGHTNESS * (2 * brightness - 1)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (1 + _SATURATION * (2 * saturation - 1))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + _CONTRAST * (2 * contrast - 1))


def _shift(images: Tensor) -> Tensor:
    """By whole pixels along both axes; the border is mirrored."""
    size = images.shape[-1]
    most = int(size * _SHIFT)
    padded = functional.pad(images, (most, most, most, most), mode="reflect")
    moves = torch.randint(0, 2 * most + 1, (len(images), 2)).tolist()
    moved = [p[:, y : y + size, x : x + size] for p, (x, y) in zip(padded, moves, strict=True)]
    return torch.stack(moved)
