"""Losses between pixels, and where in a face they count more."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Standard deviation of the soft regions, in distances between the eyes.
_EYE_SPREAD, _MOUTH_SPREAD = 0.25, 0.2
#: Pixels whose mean `l1_coarse` compares, along each side.
_COARSE = 8


def l1(restored: Tensor, truth: Tensor, importance: Tensor | None = None) -> Tensor:
    """Mean absolute error of each image.

    Args:
        restored: (N, C, H, W).
        truth: The same shape.
        importance: Weights (N, 1, H, W) that multiply the errors before they are averaged.

    Returns:
        (N,), float32.
    """
    return _mean((restored.float() - truth).abs(), importance)


def l1_coarse(restored: Tensor, truth: Tensor, importance: Tensor | None = None) -> Tensor:
    """Mean absolute error at an eighth of the size: tone and colour; arguments as in `l1`."""
    error = functional.avg_pool2d(restored.float() - truth, _COARSE).abs()
    return _mean(error, None if importance is None else functional.avg_pool2d(importance, _COARSE))


def l2(restored: Tensor, truth: Tensor, importance: Tensor | None = None) -> Tensor:
    """Mean squared error of each image; arguments as in `l1`."""
    return _mean((restored.float() - truth).square(), importance)


def smooth_l1(restored: Tensor, truth: Tensor, importance: Tensor | None = None) -> Tensor:
    """Mean of error² / 2 below 1 and |error| - 1/2 above; arguments as in `l1`.

    Source: Girshick, "Fast R-CNN", ICCV 2015.
    """
    error = functional.smooth_l1_loss(restored.float(), truth.float(), reduction="none")
    return _mean(error, importance)


def _mean(error: Tensor, importance: Tensor | None) -> Tensor:
    return (error if importance is None else error * importance).mean(dim=(1, 2, 3))


def importance_map(points_xy: Tensor, size: int, *, eyes: float, mouth: float) -> Tensor:
    """How much each pixel counts: 1, and softly more around eyes and mouth.

    The facial component losses of GFPGAN (Wang et al., CVPR 2021) cut out boxes and judge them by
    networks of their own; this only weighs the pixel losses there.

    Args:
        points_xy: Left and right eye, nose, left and right corner of the mouth, as seen in the
            image, in pixels of it (0 is the centre of the first pixel): (N, 5, 2).
        size: Side of the images.
        eyes: Added at the centres of the eyes.
        mouth: Added along the line between the corners of the mouth.

    Returns:
        (N, 1, size, size), float32, in [1, 1 + max(eyes, mouth)].
    """
    points = points_xy.float()
    axis = torch.arange(size, device=points.device, dtype=torch.float32)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)  # (S, S, 2)
    left, right, corners = points[:, 0], points[:, 1], points[:, 3:5]
    # Seen from the side the eyes come close to each other, but not to the mouth.
    tall = ((left + right) / 2 - corners.mean(dim=1)).norm(dim=1)
    unit = torch.maximum((right - left).norm(dim=1), tall).clamp_min(1.0).view(-1, 1, 1)
    to_eyes = torch.minimum(_distance(pixels, left, left), _distance(pixels, right, right))
    to_mouth = _distance(pixels, corners[:, 0], corners[:, 1])
    at_eyes = eyes * _bell(to_eyes / (_EYE_SPREAD * unit))
    at_mouth = mouth * _bell(to_mouth / (_MOUTH_SPREAD * unit))
    return (1 + torch.maximum(at_eyes, at_mouth)).unsqueeze(1)


def _bell(x: Tensor) -> Tensor:
    return torch.exp(-x.square() / 2)


def _distance(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Distance (N, S, S) of pixels (S, S, 2) from the lines between two points (N, 2)."""
    line = (end - start).view(-1, 1, 1, 2)
    away = pixels - start.view(-1, 1, 1, 2)  # (N, S, S, 2)
    along = (away * line).sum(dim=-1) / line.square().sum(dim=-1).clamp_min(1e-6)
    distance: Tensor = (away - along.clamp(0, 1).unsqueeze(-1) * line).norm(dim=-1)
    return distance
