"""What losses look at: parts of faces at full size, and faces as far as they have detail."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def look_closely(images: Tensor, cut_xy: Tensor, side: int) -> Tensor:
    """One view of each image: a cut at full size, or the whole shrunk.

    Args:
        images: (N, 3, S, S).
        cut_xy: (N, 2), the top left corner of each cut as a share of the room for it; negative for
            the whole.
        side: Side of the views; 0, or one that is not below S, for the images as they are.

    Returns:
        (N, 3, side, side).
    """
    size = images.shape[-1]
    if not side or side >= size:
        return images
    corners = (cut_xy * (size - side)).round().int().tolist()
    views = [
        image[:, y : y + side, x : x + side]
        if min(x, y) >= 0
        else functional.adaptive_avg_pool2d(image, side)
        for image, (x, y) in zip(images, corners, strict=True)
    ]
    return torch.stack(views)


def without_missing_detail(images: Tensor, sharp: Tensor) -> Tensor:
    """Images of faces that are not sharp at this size, as means of 2 × 2 pixels.

    Args:
        images: (N, 3, S, S).
        sharp: (N,), 1 or 0.
    """
    if bool(sharp.all()):
        return images
    halved = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2)
    return torch.where(sharp.bool().view(-1, 1, 1, 1), images, halved)
