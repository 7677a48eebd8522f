"""Selects the faces to restore; faces from given landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SettingsError
from ..types import Face, Float64Array


def choose_faces(
    faces: Sequence[Face], which: str, min_face: float, image_size_wh: tuple[int, int]
) -> list[int]:
    """Select the faces to restore.

    Args:
        faces: All faces found.
        which: "all" or "whole", "largest", "left" or "right" as seen in the image, "center", or
            numbers from 0 such as "0,2".
        min_face: Smallest longer side of the box, in pixels.
        image_size_wh: Width and height of the image, in pixels.

    Returns:
        Positions in `faces`, ascending. Numbers that no face has are left out.
    """
    big = [i for i, face in enumerate(faces) if face.size_px >= min_face]
    if which in ("all", "whole") or not big:
        return big
    if which == "largest":
        return [max(big, key=lambda i: faces[i].size_px)]
    if which in ("left", "right"):
        end = min if which == "left" else max
        return [end(big, key=lambda i: faces[i].box_xyxy[0] + faces[i].box_xyxy[2])]
    if which == "center":
        middle = (np.asarray(image_size_wh) - 1) / 2
        return [
            min(big, key=lambda i: float(np.hypot(*(faces[i].points_xy.mean(axis=0) - middle))))
        ]
    wanted = {int(number) for number in which.split(",")}
    return [i for i in big if i in wanted]


def faces_from_points(points_xy: ArrayLike) -> list[Face]:
    """Make faces from given five-point landmarks.

    Raises:
        SettingsError: The shape is not (faces, 5, 2).
    """
    points = np.asarray(points_xy, dtype=np.float64)
    if points.ndim == 2:
        points = points[None]
    if points.ndim != 3 or points.shape[1:] != (5, 2):
        raise SettingsError(
            f"points_xy has shape {points.shape}; expected (faces, 5, 2): left eye, right eye, "
            "nose, left and right mouth corner as (x, y)"
        )
    return [_face_around(five) for five in points]


def _face_around(five: Float64Array) -> Face:
    """A face whose box is the points' bounding box grown to a whole face."""
    low, high = five.min(axis=0), five.max(axis=0)
    centre, half = (low + high) / 2, float((high - low).max())
    x, y = centre
    return Face((x - half, y - half, x + half, y + half), five, 1.0)
