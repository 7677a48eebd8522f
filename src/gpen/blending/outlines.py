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

from ..types import Float64Array, FloatArray, Pixels
from .masks import Mask
from .reliability_estimator import Reliability

#: Share of the way from the middle of the face to the rim of its mask ("face") at which levels
#: begin to be held, and at which they are held fully.
FREE, HELD = 0.5, 0.68
#: How far levels may go beyond those near by: as a share of their range.
BEYOND = 0.12


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

    radius = _reach(reliability)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    low, high = cv2.erode(before, kernel), cv2.dilate(before, kernel)
    slack = cv2.addWeighted(high, BEYOND, low, -BEYOND, 0)
    held = cv2.min(cv2.max(fused, cv2.subtract(low, slack)), cv2.add(high, slack))
    share = _around(len(before), points_xy)
    change: Any = cv2.subtract(held, fused, dtype=cv2.CV_32F)
    change *= cv2.merge([share, share, share])
    depth = cv2.CV_8U if before.dtype == np.uint8 else cv2.CV_16U
    return cast("Pixels", cv2.add(fused, change, dtype=depth))


def _reach(reliability: Reliability) -> int:
    """Pixels over which an edge of the input may be spread."""
    lost = float((1 - reliability.bands[0].mean(axis=(1, 2))).sum())
    return max(1, round(2**lost))


def _around(size: int, points_xy: Float64Array) -> FloatArray:
    """0 in the inner face, 1 around it, (size, size)."""
    mask = Mask.of_face(size, points_xy, "face")
    axis = np.arange(size, dtype=np.float32)
    away = 1 - mask.depth(axis[None, :], axis[:, None])
    t = np.clip((away - np.float32(FREE)) / np.float32(HELD - FREE), 0, 1)
    share: FloatArray = t * t * (3 - 2 * t)
    return share
