"""Soft masks around faces, from their five points.

Convention:
    points   (5, 2), (x, y) in crop pixels, order as in `gpen.types.Face`
    mask     float32, (size, size), 0 keeps the image, 1 takes the restored face
    depth    float32, 1 in the middle of a mask, 0 on its rim, negative outside
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .settings import MaskShape
from .types import Float64Array, FloatArray

#: Eye distance : distance from the eyes to the mouth, of a face seen from the front.
EYES_TO_MOUTH = 1.157
#: Semi-axes of the face mask in eye distances, from the middle between eyes and mouth.
FACE_SIDE, FACE_ABOVE, FACE_BELOW = 1.75, 2.3, 1.8
#: A turned head lies on the far side of its nose; as a multiple of the nose's way off the middle.
HEAD_FROM_NOSE = -1.1
#: Share of the way from the rim of a mask to its middle over which it rises to 1.
FEATHER = {"face": 0.38, "box": 0.2}
#: Masks end at this share of the way from the middle of the crop to its border.
REACH = 0.96
#: Exponent of the norm whose unit ball is a rounded square, and that intersects it with the face.
ROUNDNESS = 8


def face_mask(size: int, points_xy: ArrayLike, shape: MaskShape = "face") -> FloatArray:
    """The mask of one face in its crop.

    "face" is an egg around forehead, cheeks and chin, placed by the five points and shifted towards
    the back of a turned head; "box" is a square with round corners. Both rise softly from their rim
    and are exactly 0 along the border of the crop.

    Args:
        size: Side of the crop in pixels.
        points_xy: (5, 2), in crop pixels.
        shape: "face" or "box".

    Returns:
        (size, size) float32 in [0, 1].
    """
    return rise(mask_depth(size, points_xy, shape, grid=size), shape)


def mask_depth(size: int, points_xy: ArrayLike, shape: MaskShape, *, grid: int) -> FloatArray:
    """How deep each pixel lies in a mask: 1 in the middle, 0 on the rim, negative outside.

    It is 1 minus a norm, so all its contours have the same shape.

    Args:
        size: Side of the crop in pixels, in which the points are given.
        points_xy: (5, 2), in crop pixels.
        shape: "face" or "box".
        grid: Cells per side of the result, which covers the whole crop.

    Returns:
        (grid, grid) float32.
    """
    axis = ((np.arange(grid) + 0.5) / grid * 2 - 1).astype(np.float32)
    across = np.abs(axis / np.float32(REACH)) ** ROUNDNESS
    power = across[None, :] + across[:, None]
    if shape == "face":
        x, y, eye_distance = _face_middle(np.asarray(points_xy, dtype=np.float64), size)
        pixels = (axis + 1) * (size / 2) - 0.5
        right, down = (pixels - x) / eye_distance, (pixels - y) / eye_distance
        down /= np.where(down < 0, FACE_ABOVE, FACE_BELOW)
        egg = (right / FACE_SIDE)[None, :] ** 2 + down[:, None] ** 2
        power = power + egg.astype(np.float32) ** (ROUNDNESS // 2)
    depth: FloatArray = np.float32(1) - power ** np.float32(1 / ROUNDNESS)
    return depth


def _face_middle(points_xy: Float64Array, size: int) -> tuple[float, float, float]:
    """Where the mask of a face is centred, and the eye distance it would have from the front.

    Turning a head sideways brings the eyes together, nodding brings them closer to the mouth: the
    larger of the two distances tells the size of the face.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = points_xy
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    eye_distance = max(
        float(np.hypot(*(right_eye - left_eye))),
        float(np.hypot(*(mouth - eyes))) / EYES_TO_MOUTH,
        size / 20,
    )
    x, y = (eyes + mouth) / 2
    off_middle = eye_distance * float(np.clip((nose[0] - x) / eye_distance, -0.6, 0.6))
    return float(x + HEAD_FROM_NOSE * off_middle), float(y), eye_distance


def rise(depth: FloatArray, shape: MaskShape) -> FloatArray:
    """From depth to mask: 0 up to the rim, then smoothly up to 1."""
    t = np.clip(depth / np.float32(FEATHER[shape]), 0, 1)
    mask: FloatArray = t * t * (3 - 2 * t)
    return mask
