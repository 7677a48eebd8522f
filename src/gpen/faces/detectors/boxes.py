"""Non-maximum suppression of boxes, and faces from arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...types import Face, Float64Array


def non_max_suppression(
    boxes_xyxy: Float64Array, scores: Float64Array, same: float
) -> NDArray[np.intp]:
    """Non-maximum suppression: of boxes that overlap, keep the one with the highest score.

    Args:
        boxes_xyxy: (N, 4).
        scores: (N,).
        same: Boxes are one face where their intersection over union is above this, or where one
            holds this share of the other twice over: a face within a face is none.

    Returns:
        Positions of those kept, highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        first, order = order[0], order[1:]
        kept.append(int(first))
        order = order[~overlaps_any(boxes_xyxy[order], boxes_xyxy[first : first + 1], same)]
    return np.array(kept, dtype=np.intp)


def overlaps_any(
    boxes_xyxy: Float64Array, others_xyxy: Float64Array, same: float
) -> NDArray[np.bool_]:
    """Which boxes (N, 4) are the face of one of the others (M, 4); see `non_max_suppression`."""
    one, other = boxes_xyxy.T[:, :, None], others_xyxy.T[:, None, :]
    width = np.minimum(one[2], other[2]) - np.maximum(one[0], other[0])
    height = np.minimum(one[3], other[3]) - np.maximum(one[1], other[1])
    shared = np.maximum(0, width) * np.maximum(0, height)  # (N, M)
    areas, other_areas = ((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    overlap = shared > same * (areas + other_areas - shared)
    within = shared > min(1.0, 2 * same) * np.minimum(areas, other_areas)
    result: NDArray[np.bool_] = (overlap | within).any(axis=1)
    return result


def faces_from_arrays(
    boxes_xyxy: Float64Array, points_xy: Float64Array, scores: Float64Array
) -> list[Face]:
    """Faces from arrays of boxes (N, 4), points (N, 5, 2) and scores, largest first."""
    faces = []
    for box, points, score in zip(boxes_xyxy, points_xy, scores, strict=True):
        x_min, y_min, x_max, y_max = (float(v) for v in box)
        five = np.array(points, dtype=np.float64)
        faces.append(Face((x_min, y_min, x_max, y_max), five, float(np.clip(score, 0, 1))))
    return sorted(faces, key=lambda face: -face.size_px)
