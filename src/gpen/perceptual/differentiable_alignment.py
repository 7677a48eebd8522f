"""Aligns faces to a template inside a network, so that gradients flow back to the pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

#: A face that fills an image of this side lies in it about as large as in the template.
_SIDE_OF_TEMPLATE = 128


def align(
    images: Tensor, points_xy: Tensor, template_xy: Tensor, size_wh: tuple[int, int]
) -> Tensor:
    """Turn, scale and shift faces so that their points come closest to a template.

    The similarity is that of `gpen.images.transforms.fit_similarity`; beyond the border lies the
    mirror image. A pixel is the mean of k × k bilinear samples, k the side of the images over 128
    rounded up: a fixed number, so that a face's alignment does not depend on its batch.

    Args:
        images: (N, C, S, S).
        points_xy: (N, 5, 2) in pixels of the images; 0 is the centre of the first pixel.
        template_xy: (5, 2) in pixels of the result.
        size_wh: Width and height of the result.

    Returns:
        (N, C, height, width), float32, differentiable with respect to the images.
    """
    samples = math.ceil(images.shape[-1] / _SIDE_OF_TEMPLATE)
    x, y = (
        (torch.arange(n * samples, device=images.device, dtype=torch.float32) + 0.5) / samples - 0.5
        for n in size_wh
    )
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    grid = _back_to_source(torch.stack([columns, rows], dim=-1), points_xy.float(), template_xy)
    sides = torch.tensor([images.shape[3], images.shape[2]], device=images.device)
    grid = (2 * grid + 1) / sides - 1  # borders of the image at -1 and 1
    with torch.autocast(images.device.type, enabled=False):
        sampled = functional.grid_sample(
            images.float(), grid, padding_mode="reflection", align_corners=False
        )
    return functional.avg_pool2d(sampled, samples) if samples > 1 else sampled


def _back_to_source(target_xy: Tensor, points_xy: Tensor, template_xy: Tensor) -> Tensor:
    """Where positions (h, w, 2) of the template lie in each image: (N, h, w, 2).

    The least-squares similarity maps points to the template by one complex factor; its inverse
    divides by it. Both are kept from 0, so that points in one place give no NaN.
    """
    source_mean = points_xy.mean(dim=1, keepdim=True)  # (N, 1, 2)
    target_mean = template_xy.mean(dim=0)
    s, t = points_xy - source_mean, template_xy - target_mean
    power = s.square().sum(dim=(1, 2)).clamp_min(1e-6)  # (N,)
    real = (s * t).sum(dim=(1, 2)) / power
    imaginary = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(dim=1) / power
    norm = (real.square() + imaginary.square()).clamp_min(1e-6)
    real, imaginary = (part.div(norm).view(-1, 1, 1) for part in (real, imaginary))
    x, y = (target_xy - target_mean).unbind(dim=-1)  # (h, w) each
    turned = torch.stack([x * real + y * imaginary, y * real - x * imaginary], dim=-1)
    return turned + source_mean[:, None]
