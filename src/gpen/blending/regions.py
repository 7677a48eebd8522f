"""Eyes, mouth and glasses as soft masks, from the five points of a face.

Convention:
    points   (5, 2), (x, y) in crop pixels, order as in `gpen.types.Face`
    mask     (size, size) float32, 1 keeps the input, 0 takes the output
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..images import transforms
from ..settings import KEEPABLE
from ..types import FloatArray
from .masks import Mask

#: Cells along the side of a crop on which masks are drawn.
GRID = 128
#: Semi-axes in eye distances, across the face and along it. Lids and lashes are part of an eye; the
#: mouth reaches lower than its corners, and lower still when it is open.
EYE = 0.32, 0.22
MOUTH = 0.3, 0.32
MOUTH_BELOW = 0.07
#: Glasses are a bar from one eye to the other with round ends; frames reach up to the brows.
GLASSES = 0.38
GLASSES_SIDE = 0.3
#: A mask falls from 1 to 0 over this much of its size, beyond its rim.
FEATHER = 0.4


def keep_mask(size: int, points_xy: ArrayLike, parts: Sequence[str]) -> FloatArray:
    """The mask of some parts of a face.

    Args:
        size: Side of the crop in pixels.
        points_xy: (5, 2), in crop pixels.
        parts: Some of `gpen.settings.KEEPABLE`.

    Raises:
        ValueError: There is no such part.
    """
    import cv2

    if unknown := set(parts) - set(KEEPABLE):
        raise ValueError(f"no part {sorted(unknown)}; expected some of {KEEPABLE}")
    # Soft masks hold no detail: a coarse grid is enough.
    points = transforms.scale_points(points_xy, GRID / size)
    unit = Mask.of_face(GRID, points, "face").eye_distance
    left_eye, right_eye, _, left_mouth, right_mouth = points
    norms: list[FloatArray] = []
    if "eyes" in parts:
        norms += [_bar((eye, eye), right_eye - left_eye, EYE, unit) for eye in points[:2]]
    if "glasses" in parts:
        along = _unit(right_eye - left_eye) * GLASSES_SIDE * unit
        ends = left_eye - along, right_eye + along
        norms.append(_bar(ends, right_eye - left_eye, (GLASSES, GLASSES), unit))
    if "mouth" in parts:
        across = right_mouth - left_mouth
        down = np.array([-_unit(across)[1], _unit(across)[0]]) * MOUTH_BELOW * unit
        ends = left_mouth + down, right_mouth + down
        norms.append(_bar(ends, across, MOUTH, unit))
    if not norms:
        return np.zeros((size, size), np.float32)
    nearest = np.minimum.reduce(norms)
    t = np.clip((1 + FEATHER - nearest) / np.float32(FEATHER), 0, 1)
    coarse = t * t * (3 - 2 * t)
    mask: FloatArray = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    return mask


def _unit(vector_xy: FloatArray) -> FloatArray:
    """A vector of length 1; to the right where it has no direction."""
    length = float(np.hypot(*vector_xy))
    return vector_xy / length if length > 0 else np.array([1.0, 0.0])


def _bar(
    ends_xy: tuple[FloatArray, FloatArray],
    across_xy: FloatArray,
    semi_axes: tuple[float, float],
    unit: float,
) -> FloatArray:
    """How far positions lie from a line, as a multiple of an ellipse's semi-axes; 1 on its rim.

    Args:
        ends_xy: Ends of the line, in cells; the same twice for an ellipse.
        across_xy: Direction of the first semi-axis.
        semi_axes: In units.
        unit: In cells.

    Returns:
        (GRID, GRID).
    """
    axis = np.arange(GRID, dtype=np.float32)
    cos, sin = (float(v) for v in _unit(across_xy))
    middle_x, middle_y = (ends_xy[0] + ends_xy[1]) / 2
    half = float(np.hypot(*(ends_xy[1] - ends_xy[0]))) / 2
    x, y = axis[None, :] - np.float32(middle_x), axis[:, None] - np.float32(middle_y)
    along = np.maximum(np.abs(x * cos + y * sin) - half, 0) / np.float32(semi_axes[0] * unit)
    aside = (y * cos - x * sin) / np.float32(semi_axes[1] * unit)
    norm: FloatArray = np.sqrt(np.square(along) + np.square(aside)).astype(np.float32)
    return norm
