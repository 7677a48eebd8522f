"""The points of restored faces against the true ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpen.metrics.landmark_error import find_points, is_found, landmark_error
from gpen.types import Face
from support.drawn_faces import face_points


class Detector:
    """Answers with the points it was given."""

    name = "given"

    def __init__(self, *points_xy: np.ndarray) -> None:
        self.faces = [Face((0.0, 0.0, 1.0, 1.0), points, 1.0) for points in points_xy]

    def detect(self, image_pixels: np.ndarray) -> list[Face]:
        return self.faces


def test_error_is_the_mean_distance_in_percent_of_the_eye_distance() -> None:
    true = face_points((64, 64), eye_distance=50)
    moved = true.copy()
    moved[0] += (3, 4)  # one of five points, 5 px
    assert landmark_error(moved, true) == pytest.approx(100 * 5 / 5 / 50, rel=1e-3)


def test_the_face_in_the_middle_is_meant_and_one_at_the_border_is_none() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    middle, border = face_points((60, 66), 40), face_points((120, 20), 40)
    assert np.array_equal(find_points(image, Detector(border, middle)), middle)
    assert not is_found(find_points(image, Detector(border)))


def test_a_face_that_was_not_found_has_no_error() -> None:
    missed = find_points(np.zeros((64, 64, 3), np.uint8), Detector())
    assert math.isnan(landmark_error(missed, face_points((32, 32), 20)))
