"""Which faces are restored."""

from __future__ import annotations

import numpy as np
import pytest

import gpen
from gpen.faces.selection import choose_faces, faces_from_points


def _face(x: float, size: float) -> gpen.Face:
    return gpen.Face((x, 0, x + size, size), np.full((5, 2), (x + size / 2, size / 2)), 0.9)


@pytest.mark.parametrize(
    ("which", "min_face", "expected"),
    [
        pytest.param("all", 0, [0, 1, 2], id="all"),
        pytest.param("all", 20, [0, 1], id="small_one_left_out"),
        pytest.param("largest", 0, [0], id="largest"),
        pytest.param("center", 0, [1], id="center"),
        pytest.param("left", 0, [0], id="left"),
        pytest.param("right", 0, [2], id="right"),
        pytest.param("right", 20, [1], id="right_of_the_large_ones"),
        pytest.param("left", 1000, [], id="left_of_none"),
        pytest.param("0,2", 0, [0, 2], id="numbers"),
        pytest.param("2,0,2", 0, [0, 2], id="numbers_repeated"),
        pytest.param("7", 0, [], id="number_without_face"),
        pytest.param("largest", 1000, [], id="none_large_enough"),
    ],
)
def test_chooses_faces(which: str, min_face: float, expected: list[int]) -> None:
    faces = [_face(0, 50), _face(60, 30), _face(140, 10)]
    assert choose_faces(faces, which, min_face, (150, 60)) == expected


def test_the_middle_of_a_face_tells_left_from_right_and_not_its_border() -> None:
    wide, narrow = _face(0, 100), _face(20, 10)
    assert choose_faces([wide, narrow], "left", 0, (200, 100)) == [1]
    assert choose_faces([wide, narrow], "right", 0, (200, 100)) == [0]


def test_faces_from_points_hold_them_in_their_box() -> None:
    points = np.array([[10, 10], [30, 10], [20, 20], [13, 30], [27, 30]], dtype=np.float64)
    (face,) = faces_from_points(points)
    low, high = face.box_xyxy[:2], face.box_xyxy[2:]
    assert (points > low).all()
    assert (points < high).all()
    np.testing.assert_array_equal(face.points_xy, points)
