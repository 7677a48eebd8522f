"""Resizing, good and bad, and sharpening."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .pixel_types import Random, UInt8Array

#: Interpolations that programs use; nearest and linear do not average when they shrink.
INTERPOLATIONS = (
    cv2.INTER_NEAREST,
    cv2.INTER_LINEAR,
    cv2.INTER_AREA,
    cv2.INTER_CUBIC,
    cv2.INTER_LANCZOS4,
)
_SMALLEST = 4


def shrink(image: UInt8Array, random: Random, *, factor: float) -> UInt8Array:
    """Make the image smaller, bilinearly: (h / factor, w / factor, 3), at least 4 px.

    Source: the published training code of GPEN (arXiv 2105.06070).
    """
    del random
    return resized(image, _divided(image, factor), cv2.INTER_LINEAR)


def shrink_anyhow(image: UInt8Array, random: Random, *, factor: float) -> UInt8Array:
    """Make the image smaller by one of `INTERPOLATIONS`; nearest is rare, as in real photos."""
    chosen = random.choice(INTERPOLATIONS, p=(0.06, 0.24, 0.3, 0.3, 0.1))
    return resized(image, _divided(image, factor), int(chosen))


def resample(image: UInt8Array, random: Random, *, factor: float, misfit: float) -> UInt8Array:
    """Shrink and enlarge again, as a website's thumbnail shown large.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the two interpolations and which side is cut short.
        factor: How many times smaller.
        misfit: Share by which one side is rounded too short on the way.
    """
    height, width = image.shape[:2]
    down, up = random.choice(INTERPOLATIONS, 2, p=(0.12, 0.28, 0.2, 0.25, 0.15))
    small_wh = list(_divided(image, factor))
    short = int(random.integers(2))
    small_wh[short] = max(_SMALLEST, round(small_wh[short] * (1 - misfit)))
    small = resized(image, (small_wh[0], small_wh[1]), int(down))
    return resized(small, (width, height), int(up))


def sharpen(image: UInt8Array, random: Random, *, amount: float) -> UInt8Array:
    """Unsharp masking, which leaves halos, as of phones and scanners.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the width of the halos, in pixels of the image.
        amount: How many times the difference to a blurred copy is added.
    """
    blurred = cv2.GaussianBlur(image, (0, 0), random.uniform(0.7, 2.2))
    result: Any = cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)
    return np.asarray(result, np.uint8)


def resized(image: UInt8Array, size_wh: tuple[int, int], interpolation: int) -> UInt8Array:
    """The image at another size, (h, w, 3)."""
    result: Any = cv2.resize(image, size_wh, interpolation=interpolation)
    return np.asarray(result, np.uint8)


def _divided(image: UInt8Array, factor: float) -> tuple[int, int]:
    height, width = image.shape[:2]
    return max(_SMALLEST, round(width / factor)), max(_SMALLEST, round(height / factor))
