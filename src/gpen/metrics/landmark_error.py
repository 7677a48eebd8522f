"""The landmark error between restored and true faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..faces.detection import Detector
from ..types import Float64Array

#: A face further from the middle than this share of the image's longer side is another face.
_REACH = 0.25


def find_points(image: NDArray[np.uint8], detector: Detector) -> Float64Array:
    """The five points of the face in the middle of an image.

    Args:
        image: RGB, (H, W, 3), a face cut out.
        detector: Finds faces.

    Returns:
        (5, 2) in pixels: left eye, right eye, nose, mouth corners; NaN where no face lies within
        a quarter of the image from its middle.
    """
    height, width = image.shape[:2]
    middle = (width - 1) / 2, (height - 1) / 2

    def distance(points_xy: Float64Array) -> float:
        return float(np.linalg.norm(points_xy.mean(axis=0) - middle))

    found = [np.asarray(face.points_xy, np.float64) for face in detector.detect(image)]
    near = [points for points in found if distance(points) < _REACH * max(height, width)]
    return min(near, key=distance) if near else np.full((5, 2), np.nan)


def is_found(points_xy: ArrayLike) -> bool:
    """Whether `find_points` found a face."""
    return bool(np.isfinite(np.asarray(points_xy)).all())


def landmark_error(points_xy: ArrayLike, true_xy: ArrayLike) -> float:
    """Mean distance of the five points from the true ones.

    Args:
        points_xy: (5, 2); NaN where no face was found.
        true_xy: The same of the true face, in the same pixels.

    Returns:
        Percent of the distance between the true eyes; NaN where a face is missing.
    """
    points, true = np.asarray(points_xy, np.float64), np.asarray(true_xy, np.float64)
    eyes = np.linalg.norm(true[1] - true[0])
    return float(100 * np.linalg.norm(points - true, axis=1).mean() / eyes)
