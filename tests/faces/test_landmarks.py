"""68 landmarks lie on the features of a face, however it lies in the image."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.errors import AlignError
from gpen.faces.detection import load_detector
from gpen.faces.landmarks import (
    BROWS,
    JAW,
    LEFT_EYE,
    MOUTH,
    NOSE,
    RIGHT_EYE,
    LandmarkNetwork,
    open_landmarks,
)
from gpen.images import transforms
from gpen.images.read import read_image
from gpen.types import Pixels

LEFT_CORNER, RIGHT_CORNER = 48, 54


@pytest.fixture(scope="module")
def network() -> LandmarkNetwork:
    return open_landmarks()


@pytest.fixture(scope="module")
def photo(portrait: Path) -> Pixels:
    return read_image(portrait).pixels


@pytest.fixture(scope="module")
def points(photo: Pixels) -> np.ndarray:
    return load_detector().detect(photo)[0].points_xy


def five_of(landmarks: np.ndarray) -> np.ndarray:
    """Eyes and corners of the mouth, (…, 4, 2)."""
    eyes = [landmarks[..., eye, :].mean(axis=-2) for eye in (LEFT_EYE, RIGHT_EYE)]
    corners = [landmarks[..., corner, :] for corner in (LEFT_CORNER, RIGHT_CORNER)]
    return np.stack([*eyes, *corners], axis=-2)


def eye_distance(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[..., 1, :] - points[..., 0, :], axis=-1)


def off_percent(found: np.ndarray, wanted: np.ndarray, unit: float) -> np.ndarray:
    return 100 * np.linalg.norm(found - wanted, axis=-1) / unit


def test_parts_lie_where_parts_of_a_face_lie(
    network: LandmarkNetwork, photo: Pixels, points: np.ndarray
) -> None:
    found, unit = network.find(photo, points), eye_distance(points)
    assert found.shape == (68, 2)
    assert (off_percent(five_of(found), points[[0, 1, 3, 4]], unit) < 6).all()
    assert found[BROWS, 1].max() < found[LEFT_EYE, 1].min()
    assert found[RIGHT_EYE, 1].max() < found[NOSE, 1].max() < found[MOUTH, 1].min()
    assert found[MOUTH, 1].max() < found[JAW, 1].max()
    assert (np.diff(found[JAW, 0]) > 0).all()  # from left to right
    for eye in (LEFT_EYE, RIGHT_EYE):  # lids: two above, two below, corners outside
        corner, over, over_too, other, under, under_too = found[eye]
        assert corner[0] < over[0] < over_too[0] < other[0]
        assert max(over[1], over_too[1]) < min(under[1], under_too[1])


@pytest.mark.parametrize(("degrees", "factor"), [(0, 0.5), (30, 1), (-90, 1), (180, 2)])
def test_landmarks_turn_and_grow_with_the_image(
    network: LandmarkNetwork, photo: Pixels, points: np.ndarray, degrees: float, factor: float
) -> None:
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    moved_from_photo = transforms.compose(transforms.scaling(factor), turn)
    size_wh = round(width * factor), round(height * factor)
    moved = transforms.warp(photo, moved_from_photo, size_wh)
    found = network.find(moved, transforms.apply(moved_from_photo, points))
    expected = transforms.apply(moved_from_photo, network.find(photo, points))
    assert off_percent(found, expected, factor * eye_distance(points)).max() < 3


def test_a_second_look_mends_points_that_are_off(
    network: LandmarkNetwork, photo: Pixels, points: np.ndarray
) -> None:
    unit, expected = eye_distance(points), network.find(photo, points)
    shifted = points + np.array([0.1, -0.1]) * unit
    assert off_percent(network.find(photo, shifted), expected, unit).mean() < 3


def test_many_faces_are_found_as_one_by_one(
    network: LandmarkNetwork, photo: Pixels, points: np.ndarray
) -> None:
    faces = [points, points + 3, points[:, ::-1] * [1, -1] + [0, 400]]
    together = network.find_many(photo, faces)
    alone = [network.find(photo, each) for each in faces]
    np.testing.assert_allclose(together, alone, atol=0.02)
    assert network.find_many(photo, []).shape == (0, 68, 2)


def test_deep_pixels_and_engines_agree(
    network: LandmarkNetwork, photo: Pixels, points: np.ndarray
) -> None:
    expected = network.find(photo, points)
    deep = network.find(photo.astype(np.uint16) * 257, points)
    np.testing.assert_allclose(deep, expected, atol=0.1)
    pytest.importorskip("onnxruntime")
    other = open_landmarks(engine="onnxruntime").find(photo, points)
    np.testing.assert_allclose(other, expected, atol=0.02)


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.full((5, 2), 9.0)])
def test_points_that_are_no_face_are_refused(
    network: LandmarkNetwork, photo: Pixels, points: np.ndarray
) -> None:
    with pytest.raises(AlignError):
        network.find(photo, points)


def test_lids_and_lips_of_held_out_faces(shared: Path, network: LandmarkNetwork) -> None:
    """Against the five labelled points, which were found by another network."""
    rows = map(json.loads, (shared / "faces" / "crops.jsonl").read_text().splitlines())
    chosen = [row for row in rows if "/val/" in row["file"]][::4]
    off = []
    for row in chosen:
        pixels = np.ascontiguousarray(cv2.imread(str(shared / "faces" / row["file"]))[..., ::-1])
        factor = pixels.shape[0] / row["size"]
        points = (np.array(row["points_xy"]) + 0.5) * factor - 0.5
        found = five_of(network.find(pixels, points))
        off.append(off_percent(found, points[[0, 1, 3, 4]], eye_distance(points)))
    assert (np.mean(off, axis=0) < 4.5).all()
    assert np.quantile(off, 0.9) < 8
