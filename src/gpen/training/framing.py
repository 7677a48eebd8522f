"""Random framing and tone of training faces.

The landmarks that a detector finds on a damaged face are slightly off, so crops are slightly
rotated, scaled and shifted. A network trained on exact crops only paints eyes beside the eyes.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face_templates import template_points
from ..images import transforms
from ..types import Float64Array
from .config_sections import Data

#: Standard deviation of log gamma, brightness and each colour at `tone` 1.
_GAMMA, _BRIGHTNESS, _COLOUR = 0.15, 0.06, 0.04


def reframe(
    pixels: NDArray[np.uint8],
    points_xy: NDArray[np.float32],
    random: np.random.Generator,
    data: Data,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Align a face again within its crop, by a random template and with a random error.

    Args:
        pixels: uint8 RGB, (S, S, 3), aligned by the template "gpen".
        points_xy: Its five points, (5, 2), in pixels.
        random: Source of the template and the error.
        data: The templates, and the largest errors.

    Returns:
        Pixels and points, of the same shapes; what lies outside the crop is its mirror image.
    """
    if data.templates == ("gpen",) and not (data.rotate or data.zoom or data.shift):
        return pixels, points_xy
    size = len(pixels)
    template = data.templates[int(random.integers(len(data.templates)))]
    angle, zoom, x, y = (random.triangular(-1, 0, 1) for _ in range(4))
    error = _about_centre(
        size,
        degrees=data.rotate * angle,
        scale=1 + data.zoom * zoom,
        shift_xy=(data.shift * size * x, data.shift * size * y),
    )
    framed = transforms.fit_similarity(
        template_points("gpen", size), template_points(template, size)
    )
    matrix = transforms.compose(error, framed)
    moved = transforms.apply(matrix, points_xy).astype(np.float32)
    return transforms.warp(pixels, matrix, (size, size)), moved


def _about_centre(
    size: int, *, degrees: float, scale: float, shift_xy: tuple[float, float]
) -> Float64Array:
    centre = (size - 1) / 2
    turned = np.array(cv2.getRotationMatrix2D((centre, centre), degrees, scale), np.float64)
    turned[:, 2] += shift_xy
    return turned


def vary_tone(
    pixels: NDArray[np.uint8], random: np.random.Generator, strength: float
) -> NDArray[np.uint8]:
    """Change gamma, brightness and the balance of colours of an image, uint8 RGB."""
    gamma = math.exp(_GAMMA * strength * random.normal())
    brightness = 1 + _BRIGHTNESS * strength * random.normal()
    colours = brightness * (1 + _COLOUR * strength * random.normal(size=3))
    levels = (np.arange(256) / 255) ** gamma
    table = (255 * levels[:, None] * colours).round().clip(0, 255).astype(np.uint8)
    varied = cv2.LUT(pixels, table.reshape(1, 256, 3))
    return np.asarray(varied, np.uint8)
