"""A detector and clips for tests of tracking: faces are bright discs, found by arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from gpen.types import Face
from support.drawn_faces import face_points, textured

#: So large that regions around two faces are cheaper than the whole.
FRAME_WH = (640, 360)


class DiscDetector:
    """Finds bright discs on dark ground; its noise depends on the image only."""

    name = "discs"

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self.seen_pixels: list[int] = []

    def detect(self, image_pixels: np.ndarray) -> list[Face]:
        self.seen_pixels.append(image_pixels.shape[0] * image_pixels.shape[1])
        bright = (image_pixels.min(axis=2) > 170).astype(np.uint8)
        count, _, stats, middles = cv2.connectedComponentsWithStats(bright)
        random = np.random.default_rng(int(image_pixels.astype(np.int64).sum()))
        faces = []
        for k in range(1, count):
            size = float(np.sqrt(stats[k][4] * 4 / np.pi))
            if size < 6:
                continue
            x, y = middles[k] + random.normal(0, self.noise, 2) * size
            points = face_points((x, y), size / 3)
            points += random.normal(0, self.noise, points.shape) * size
            box = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
            faces.append(Face(box, points, 0.9))
        return sorted(faces, key=lambda face: -face.size_px)


@cache
def _ground(size_wh: tuple[int, int], seed: int) -> np.ndarray:
    return (textured(size_wh, seed=seed) * 0.6).astype(np.uint8)


def frame_with(
    discs: Sequence[tuple[float, float, float]], seed: int = 0, size_wh: tuple[int, int] = FRAME_WH
) -> np.ndarray:
    """Discs (x, y, diameter) on dark texture."""
    frame = _ground(size_wh, seed).copy()
    for x, y, size in discs:
        centre = (round(x * 16), round(y * 16))
        cv2.circle(frame, centre, round(size * 8), (230, 230, 230), -1, cv2.LINE_AA, 4)
    return frame
