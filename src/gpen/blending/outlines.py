"""Keeps the outline of a head free of halos.

Networks overshoot along outlines: a jaw before a plain wall gets a light or dark line. Around the
inner face a fused crop therefore stays within the levels that the input has near by, and a little
beyond them where these vary, as in hair. A blurred outline may still become sharp: its two sides
are near by.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    points   (5, 2), (x, y) in crop pixels, order as in `gpen.types.Face`
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..images.transforms import scale_points
from ..types import Float64Array, Pixels
from .masks import Mask
from .reliability_estimator import Reliability

#: Share of the way from the middle of the face to the rim of its mask ("face") at which levels
#: begin to be held, and at which they are held fully.
FREE, HELD = 0.5, 0.68
#: How far levels may go beyond those near by: as a share of their range.
BEYOND = 0.12
#: Levels near by are known on a grid of at least this side.
COARSEST_GRID = 64


def suppress_halos(
    before: Pixels, fused: Pixels, points_xy: Float64Array, reliability: Reliability
) -> Pixels:
    """Bring levels around the inner face back to those of the input near by.

    Args:
        before: The crop as cut out.
        fused: What was made of it, same shape and dtype.
        points_xy: Of the face.
        reliability: Of `before`; the more bands are lost, the farther away is near by.

    Returns:
        The crop; the middle of the face as it was.
    """
    import cv2

    size, radius = len(before), _reach(reliability)
    # Levels near by vary slowly where the finest bands are lost: a coarser grid tells them.
    step = _power_of_two(min(2**reliability.lost_bands, radius // 2, size // COARSEST_GRID))
    seen = size // step
    low, high = _levels_nearby(before, radius, step)
    allowance = _allowance(seen, scale_points(points_xy, seen / size), before.dtype)
    low, high = cv2.subtract(low, allowance), cv2.add(high, allowance)
    if step > 1:
        low, high = (cv2.resize(levels, (size, size)) for levels in (low, high))
    return cast("Pixels", cv2.min(cv2.max(fused, low), high))


def _reach(reliability: Reliability) -> int:
    """Pixels over which an edge of the input may be spread."""
    lost = float((1 - reliability.bands[0].mean(axis=(1, 2))).sum())
    return max(1, round(2**lost))


def _power_of_two(most: int) -> int:
    """The largest up to a number, at least 1."""
    return 1 << max(0, most.bit_length() - 1)


def _levels_nearby(pixels: Pixels, radius: int, step: int) -> tuple[Any, Any]:
    """The lowest and highest levels within a radius, and a little beyond; every `step` pixels."""
    import cv2

    low: Any = pixels
    high: Any = pixels
    if step > 1:
        # So wide that what is interpolated between two samples holds for all pixels between them.
        around = step + step // 2
        square = np.ones((2 * around + 1, 2 * around + 1), np.uint8)
        samples = (len(pixels) // step,) * 2
        low = cv2.resize(cv2.erode(pixels, square), samples, interpolation=cv2.INTER_NEAREST)
        high = cv2.resize(cv2.dilate(pixels, square), samples, interpolation=cv2.INTER_NEAREST)
        radius = max(0, (radius - around) // step)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    low, high = cv2.erode(low, kernel), cv2.dilate(high, kernel)
    slack = cv2.addWeighted(high, BEYOND, low, -BEYOND, 0)
    return cv2.subtract(low, slack), cv2.add(high, slack)


def _allowance(size: int, points_xy: Float64Array, dtype: np.dtype[Any]) -> Any:
    """How far beyond levels near by a pixel may go, (size, size, 3): anywhere in the inner face."""
    import cv2

    mask = Mask.of_face(size, points_xy, "face")
    axis = np.arange(size, dtype=np.float32)
    away = 1 - mask.depth(axis[None, :], axis[:, None])
    t = np.clip((away - np.float32(FREE)) / np.float32(HELD - FREE), 0, 1)
    allowed = np.rint(np.square(1 - t * t * (3 - 2 * t)) * np.iinfo(dtype).max).astype(dtype)
    return cv2.merge([allowed, allowed, allowed])
