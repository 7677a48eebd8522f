"""Faces drawn by arithmetic, for tests of the stages around the network."""

from __future__ import annotations

import cv2
import numpy as np

from gpen.face_templates import TEMPLATES


def face_points(
    centre_xy: tuple[float, float], eye_distance: float, angle: float = 0.0, turn: float = 0.0
) -> np.ndarray:
    """Five points of a face; `turn` from -1 to 1 is a head turned to the left or right side."""
    points = TEMPLATES["gpen"] - TEMPLATES["gpen"].mean(axis=0)
    points = points / (points[1, 0] - points[0, 0]) * eye_distance
    points[:, 0] *= 1 - 0.7 * abs(turn)
    points[2, 0] += 0.5 * turn * eye_distance
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ rotation.T + centre_xy


def textured(size_wh: tuple[int, int], dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """A colour image with detail at every scale, down to single pixels."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    image = rng.normal(0, 12, (height, width, 3))
    for cells in (4, 16, 64):
        coarse = rng.normal(0, 30, (cells, cells, 3))
        image += cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)
    top = np.iinfo(dtype).max
    return np.clip((image + 128) / 255 * top, 0, top).astype(dtype)
