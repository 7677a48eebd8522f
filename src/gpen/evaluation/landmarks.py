"""Whether a restored face has its eyes, nose and mouth where the true one has them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..detect import Detector
from ..types import Float64Array

#: Faces whose points lie further from the expected place than this share of a picture's side are
#: other faces, or none.
_REACH = 0.25


def find_points(images: Iterable[NDArray[np.uint8]], detector: Detector) -> Float64Array:
    """The five points of the face nearest to the middle of each picture.

    Args:
        images: RGB, (S, S, 3) each, faces cut out in their middle.
        detector: Finds faces.

    Returns:
        (N, 5, 2) in pixels; NaN where no face was found within a quarter of the side from the
        middle.
    """
    return np.array([_points(image, detector) for image in images]).reshape(-1, 5, 2)


def landmark_errors(points_xy: ArrayLike, true_xy: ArrayLike) -> Float64Array:
    """Mean distance of the five points from the true ones.

    Args:
        points_xy: (N, 5, 2): left eye, right eye, nose, mouth corners; NaN where there is no face.
        true_xy: The same of the true faces, in the same pixels.

    Returns:
        (N,) in percent of the distance between the true eyes; NaN where a face is missing.
    """
    points, true = (np.asarray(p, dtype=np.float64) for p in (points_xy, true_xy))
    eyes = np.linalg.norm(true[:, 1] - true[:, 0], axis=1)
    result: Float64Array = 100 * np.linalg.norm(points - true, axis=2).mean(axis=1) / eyes
    return result


def recall(points_xy: ArrayLike) -> Float64Array:
    """1 for each picture in which a face was found, 0 for the others, (N,)."""
    return np.isfinite(np.asarray(points_xy)).all(axis=(1, 2)).astype(np.float64)


def _points(image: NDArray[np.uint8], detector: Detector) -> Float64Array:
    side = image.shape[0]

    def distance(points: Float64Array) -> float:
        return float(np.linalg.norm(points.mean(axis=0) - (side - 1) / 2))

    found = [np.asarray(face.points_xy, np.float64) for face in detector.detect(image)]
    near = [points for points in found if distance(points) < _REACH * side]
    return min(near, key=distance) if near else np.full((5, 2), np.nan)
