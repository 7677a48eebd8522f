"""The views of faces that losses compare."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def look_closely(images: Tensor, cut_xy: Tensor, side: int) -> Tensor:
    """One view of each image: a crop at full resolution, or the whole image scaled down.

    Args:
        images: (N, 3, S, S).
        cut_xy: (N, 2), top left corner of each crop, as a fraction of the range that it can have;
            negative for the whole image.
        side: Size of the views; 0, or S and more, returns the images as they are.

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


def cut_regions(images: Tensor, points_xy: Tensor, sharp: Tensor, side: int) -> Tensor:
    """Crop both eyes, the mouth and a cheek of each sharp face, at full resolution.

    Args:
        images: (N, 3, S, S), S at least `side`.
        points_xy: Left and right eye, nose, corners of the mouth, (N, 5, 2), in pixels.
        sharp: (N,), 1 or 0.
        side: Size of the crops in pixels.

    Returns:
        (M, 3, side, side), four for each sharp face.
    """
    images, points_xy = images[sharp.bool()], points_xy[sharp.bool()]
    corners = _corners(points_xy, images.shape[-1], side)
    cuts = [
        image[:, y : y + side, x : x + side]
        for image, found in zip(images, corners, strict=True)
        for x, y in found
    ]
    return torch.stack(cuts) if cuts else images.new_zeros(0, 3, side, side)


def _corners(points_xy: Tensor, size: int, side: int) -> list[list[tuple[int, int]]]:
    """Top left corners of the crops, shifted to lie within the image."""
    left, right, mouth = points_xy[:, 0], points_xy[:, 1], points_xy[:, 3:5].mean(dim=1)
    cheek = (left + points_xy[:, 3]) / 2  # between the left eye and the left corner of the mouth
    centres = torch.stack([left, right, mouth, cheek], dim=1)
    corners = (centres - (side - 1) / 2).round().clamp(0, size - side).int()
    return [[(x, y) for x, y in face] for face in corners.tolist()]


def without_missing_detail(images: Tensor, sharp: Tensor) -> Tensor:
    """Average faces that are not sharp at this size over 2 × 2 pixels.

    Args:
        images: (N, 3, S, S).
        sharp: (N,), 1 or 0.
    """
    if bool(sharp.all()):
        return images
    halved = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2)
    return torch.where(sharp.bool().view(-1, 1, 1, 1), images, halved)
