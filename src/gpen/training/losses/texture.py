"""A loss on the amount of fine detail, regardless of its exact position.

A network that has to place every hair exactly learns their mean, which is blur. This loss only asks
for as much detail as the truth has nearby. Detail is measured by Haar wavelets (Mallat, PAMI 1989).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEVELS, _WINDOW = 2, 8


def texture(restored: Tensor, truth: Tensor) -> Tensor:
    """Difference in the local strength of the Haar bands of two scales.

    Args:
        restored: (N, C, H, W), sides divisible by 32.
        truth: The same shape.

    Returns:
        (N,), float32.
    """
    images = torch.cat([restored.float(), truth.float()])
    total = images.new_zeros(len(restored))
    for _ in range(_LEVELS):
        images, detail = _haar(images)
        strength = functional.avg_pool2d(detail.abs(), _WINDOW, stride=_WINDOW // 2)
        own, wanted = strength.chunk(2)
        total = total + (own - wanted).abs().mean(dim=(1, 2, 3))
    return total


def _haar(images: Tensor) -> tuple[Tensor, Tensor]:
    """Means of blocks of 2 × 2 pixels (N, C, H/2, W/2), and their three details (N, 3 · C, …)."""
    top_left, top_right = images[..., ::2, ::2], images[..., ::2, 1::2]
    low_left, low_right = images[..., 1::2, ::2], images[..., 1::2, 1::2]
    top, low = top_left + top_right, low_left + low_right
    across = torch.cat([top_left - top_right + low_left - low_right, top - low], dim=1)
    diagonal = top_left - top_right - low_left + low_right
    return (top + low) / 4, torch.cat([across, diagonal], dim=1) / 2
