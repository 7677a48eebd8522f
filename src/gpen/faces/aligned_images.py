"""Inputs that are aligned face crops already: padded to the network's square and cut back.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    box      left, top, right, bottom in crop pixels, ends excluded
"""

from __future__ import annotations

from typing import cast

import numpy as np

from ..images import transforms
from ..types import Crop, Float64Array, Pixels


def crop_of_image(image_pixels: Pixels, points_xy: Float64Array, size: int) -> Crop:
    """The whole image as one crop, its longer side filled; the rest shows its mirror image.

    Args:
        image_pixels: RGB, (height, width, 3).
        points_xy: (5, 2), where the face's points lie in the crop.
        size: Side of the crop in pixels.
    """
    height, width = image_pixels.shape[:2]
    left, top, right, bottom = _box((width, height), size)
    inner_wh = right - left, bottom - top
    inner = transforms.resize(image_pixels, inner_wh)
    margins = (top, size - bottom), (left, size - right), (0, 0)
    pixels = cast("Pixels", np.pad(inner, margins, mode="symmetric"))
    matrix = transforms.compose(
        transforms.shifting(left, top),
        transforms.scaling(inner_wh[0] / width, inner_wh[1] / height),
    )
    return Crop(pixels, matrix, points_xy)


def padding_note(size_wh: tuple[int, int], size: int) -> str | None:
    """A note for the user on an image that is not square, else None."""
    width, height = size_wh
    if width == height:
        return None
    left, top, right, bottom = _box(size_wh, size)
    return (
        f"{width} × {height} px is no square, as face crops are: it was padded with its mirror "
        f"image, and the result cut back to {right - left} × {bottom - top} px"
    )


def without_padding(crop_pixels: Pixels, image_size_wh: tuple[int, int]) -> Pixels:
    """The part of a crop that shows the image it was made of."""
    left, top, right, bottom = _box(image_size_wh, crop_pixels.shape[0])
    return crop_pixels[top:bottom, left:right]


def _box(image_size_wh: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """Where the image lies in the crop: in its middle, its longer side filling it."""
    longer = max(image_size_wh)
    width, height = (max(1, round(side * size / longer)) for side in image_size_wh)
    left, top = (size - width) // 2, (size - height) // 2
    return left, top, left + width, top + height
