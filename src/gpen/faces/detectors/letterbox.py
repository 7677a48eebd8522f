"""Resizes images to the input size of published detectors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...images import transforms

#: Images with more pixels are looked at shrunk, so time and memory stay bounded.
MOST_PIXELS = 3_200_000


def shrink_to(pixels: NDArray[np.uint8], most_pixels: int) -> tuple[NDArray[np.uint8], float]:
    """An image with at most so many pixels.

    Returns:
        The image, and its size against the original's: 1 or less.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, math.sqrt(most_pixels / (height * width)))
    if scale == 1.0:
        return pixels, 1.0
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return transforms.resize(pixels, size_wh), scale


def fit_into(
    pixels: NDArray[np.uint8], size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], float]:
    """An image resized to fit a rectangle, in its top left corner; the rest is black.

    Returns:
        (height, width, 3) of the rectangle, and the factor of the resize.
    """
    height, width = pixels.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    canvas[: inner_wh[1], : inner_wh[0]] = transforms.resize(pixels, inner_wh)
    return canvas, scale
