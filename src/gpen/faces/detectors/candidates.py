"""Candidates: what may be faces, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...images import transforms
from ...types import Float64Array
from .boxes import non_max_suppression

#: Candidates per image.
MOST_CANDIDATES = 1000
#: Overlap above which two are the same face.
SAME_FACE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Possible faces of one image.

    Attributes:
        boxes_xyxy: (N, 4).
        points_xy: (N, 5, 2).
        scores: (N,).
    """

    boxes_xyxy: Float64Array
    points_xy: Float64Array
    scores: Float64Array

    @property
    def sizes(self) -> Float64Array:
        """Square root of each box's area, (N,)."""
        sides_wh = self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]
        sizes: Float64Array = np.sqrt(sides_wh.prod(axis=1))
        return sizes

    def take(self, chosen: NDArray[np.intp]) -> Candidates:
        """Those at the given positions."""
        return Candidates(self.boxes_xyxy[chosen], self.points_xy[chosen], self.scores[chosen])

    def put(self, chosen: NDArray[np.intp], others: Candidates) -> None:
        """Overwrite those at the given positions."""
        self.boxes_xyxy[chosen] = others.boxes_xyxy
        self.points_xy[chosen] = others.points_xy
        self.scores[chosen] = others.scores

    def moved(self, matrix: Float64Array) -> Candidates:
        """Under a transform that turns nothing, 2×3."""
        corners = transforms.apply(matrix, self.boxes_xyxy.reshape(-1, 2, 2))
        points = transforms.apply(matrix, self.points_xy)
        return Candidates(corners.reshape(-1, 4), points, self.scores)

    @staticmethod
    def joined(several: Sequence[Candidates]) -> Candidates:
        """All of them, in this order."""
        return Candidates(
            np.concatenate([c.boxes_xyxy for c in several]),
            np.concatenate([c.points_xy for c in several]),
            np.concatenate([c.scores for c in several]),
        )


def suppress_overlaps(candidates: Candidates, threshold: float) -> Candidates:
    """One candidate per face of those that score enough, surest first."""
    candidates = candidates.take(np.flatnonzero(candidates.scores >= threshold))
    kept = non_max_suppression(candidates.boxes_xyxy, candidates.scores, SAME_FACE)
    return candidates.take(kept[:MOST_CANDIDATES])
