"""Boxes: which mean the same face, and faces from arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import Face, Float64Array


def strongest(boxes_xyxy: Float64Array, scores: Float64Array, same: float) -> NDArray[np.intp]:
    """Of boxes that overlap, keep the one with the highest score.

    Args:
        boxes_xyxy: (N, 4).
        scores: (N,).
        same: Boxes are one face where their intersection over union is above this, or where one
            holds this share of the other twice over: a face within a face is none.

    Returns:
        Positions of those kept, highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    area = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    kept: list[int] = []
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes_xyxy[first, :2], boxes_xyxy[rest, :2])
        high = np.minimum(boxes_xyxy[first, 2:], boxes_xyxy[rest, 2:])
        shared = np.prod(np.maximum(0, high - low), axis=1)
        union = area[first] + area[rest] - shared
        smaller = np.minimum(area[first], area[rest])
        overlap = shared > same * union
        within = shared > min(1.0, 2 * same) * smaller
        order = rest[~(overlap | within)]
    return np.array(kept, dtype=np.intp)


def to_faces(boxes_xyxy: Float64Array, points_xy: Float64Array, scores: Float64Array) -> list[Face]:
    """Faces from arrays of boxes (N, 4), points (N, 5, 2) and scores, largest first."""
    faces = []
    for box, points, score in zip(boxes_xyxy, points_xy, scores, strict=True):
        x_min, y_min, x_max, y_max = (float(v) for v in box)
        five = np.array(points, dtype=np.float64)
        faces.append(Face((x_min, y_min, x_max, y_max), five, float(np.clip(score, 0, 1))))
    return sorted(faces, key=lambda face: -face.size_px)
