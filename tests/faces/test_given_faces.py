"""Faces that the caller points at: boxes, points, whole crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpen import SettingsError
from gpen.faces.given_faces import PointFinder, faces_at, open_point_finder, whole_face
from gpen.images import transforms


@pytest.fixture(scope="module")
def finder() -> PointFinder:
    return open_point_finder()


@pytest.fixture(scope="module")
def photo(portrait: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(cv2.imread(str(portrait))[..., ::-1])


def error_percent(found: np.ndarray, points_xy: np.ndarray) -> float:
    """Mean distance of the points in % of the distance of the eyes."""
    eyes = np.hypot(*(points_xy[1] - points_xy[0]))
    return float(100 * np.hypot(*(found - points_xy).T).mean() / eyes)


def box_of(points_xy: np.ndarray) -> list[float]:
    """A box drawn by hand: somewhat too large, and not quite over the face."""
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    side = float((high - low).max())
    return [*(low - 0.7 * side), *(high + 0.4 * side)]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_box_is_enough_whatever_the_rotation(
    finder: PointFinder, photo: NDArray[np.uint8], demo_points: np.ndarray, turns: int
) -> None:
    side = len(photo)
    quarter = np.array([[0.0, 1, 0], [-1, 0, side - 1]])
    points = demo_points
    for _ in range(turns):
        points = transforms.apply(quarter, points)
    turned = np.ascontiguousarray(np.rot90(photo, turns))
    ((face, seen),) = finder.in_boxes(turned, box_of(points))
    assert seen
    assert error_percent(face.points_xy, points) < 12


def test_a_point_on_a_face_is_enough(
    finder: PointFinder, photo: NDArray[np.uint8], demo_points: np.ndarray
) -> None:
    x, y = demo_points[2]
    (face,) = faces_at(finder, photo, f"{x:.0f}, {y:.0f}")
    assert error_percent(face.points_xy, demo_points) < 12


def test_places_of_all_kinds_keep_their_order(
    finder: PointFinder, photo: NDArray[np.uint8], demo_points: np.ndarray
) -> None:
    five = demo_points + 7
    x, y = demo_points[2]
    at = ",".join(f"{v:.2f}" for v in five.ravel()) + f";{x - 60},{y - 70},120,120"
    first, second = faces_at(finder, photo, at)
    np.testing.assert_allclose(first.points_xy, five, atol=0.01)
    assert error_percent(second.points_xy, demo_points) < 12


def test_where_nothing_is_seen_a_box_holds_an_average_face(finder: PointFinder) -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    ((face, seen),) = finder.in_boxes(grey, (50, 60, 150, 160))
    assert not seen
    assert face.box_xyxy == (50, 60, 150, 160)
    assert face.score == 0
    assert ((face.points_xy > (50, 60)) & (face.points_xy < (150, 160))).all()
    assert face.points_xy[0, 0] < face.points_xy[1, 0]
    assert face.points_xy[0, 1] < face.points_xy[3, 1]


def test_a_point_on_nothing_says_so(finder: PointFinder) -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    with pytest.raises(SettingsError, match=r"at has '90,90', where nothing looks like a face"):
        faces_at(finder, grey, "90,90")


@pytest.mark.parametrize(
    "boxes", [(1, 2, 3), (10, 10, 10, 50), (0, 0, float("nan"), 5), [[0, 0, 5, 5, 5]]]
)
def test_boxes_that_mean_nothing_are_refused(finder: PointFinder, boxes: object) -> None:
    with pytest.raises(SettingsError, match="boxes_xyxy has"):
        finder.in_boxes(np.zeros((20, 20, 3), np.uint8), boxes)  # type: ignore[arg-type]


def test_no_boxes_are_no_faces(finder: PointFinder) -> None:
    assert finder.in_boxes(np.zeros((20, 20, 3), np.uint8), []) == []


def test_a_crop_as_a_whole_is_a_face(
    finder: PointFinder, photo: NDArray[np.uint8], demo_points: np.ndarray
) -> None:
    eyes = float(np.hypot(*(demo_points[1] - demo_points[0])))
    left, top = (demo_points.mean(axis=0) - 1.9 * eyes).astype(int)
    side = int(3.9 * eyes)
    crop = np.ascontiguousarray(photo[top : top + side, left : left + side])
    face = whole_face(finder, crop)
    assert error_percent(face.points_xy, demo_points - (left, top)) < 12
    blank = whole_face(finder, np.full((100, 60, 3), 90, np.uint8))
    assert blank.score == 0
    assert blank.points_xy.mean(axis=0)[0] == pytest.approx(30, abs=2)
