"""Changes that a discriminator sees on real and restored faces alike.

With few faces a discriminator soon knows them by heart. Changed at random, on both sides and with
gradients through the change, they are many (Zhao et al., NeurIPS 2020: DiffAugment).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_BRIGHTNESS, _SATURATION, _CONTRAST = 0.5, 1.0, 0.5
_SHIFT = 1 / 8


def augment(images: Tensor) -> Tensor:
    """Change colours and place of each image, (N, 3, S, S), at random; gradients pass through."""
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
    """Whole pixels along both axes; what comes in is mirrored."""
    size = images.shape[-1]
    most = int(size * _SHIFT)
    padded = functional.pad(images, (most, most, most, most), mode="reflect")
    moves = torch.randint(0, 2 * most + 1, (len(images), 2)).tolist()
    moved = [p[:, y : y + size, x : x + size] for p, (x, y) in zip(padded, moves, strict=True)]
    return torch.stack(moved)
