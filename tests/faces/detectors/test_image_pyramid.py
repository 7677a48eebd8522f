"""Copies of a photo, and crops cut from the copy that is sharp enough."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest

from gpen import AlignError
from gpen.faces.detectors.image_pyramid import COARSEST_SIDE, Pyramid
from gpen.faces.detectors.letterbox import MOST_PIXELS
from gpen.faces.detectors.network_planes import IN_NETWORK, to_network
from gpen.faces.detectors.refinement_crops import (
    CROP_SIZE,
    TEMPLATE_XY,
    crop_matrices,
    crop_matrix,
    cut_crop,
    ellipse_box,
    inverses,
)
from gpen.images import transforms


def image(height: int, width: int, wave: float = 1) -> np.ndarray:
    """Smooth, without any symmetry."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / wave
    waves = [np.sin(x / 23 + y / 57), np.cos(y / 31), np.sin((x - 2 * y) / 71)]
    return np.rint(127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def matrices(
    middle: tuple[float, float], scale: float, degrees: tuple[float, ...] = (0, 30, 200)
) -> np.ndarray:
    found = []
    for angle in np.radians(degrees):
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = np.full(2, (CROP_SIZE - 1) / 2) - linear @ np.array(middle)
        found.append(np.column_stack([linear, shift]))
    return np.stack(found)


@pytest.mark.parametrize(
    ("height", "width"),
    [
        (1, 1),
        (1, 900),
        (40, 50),
        (480, 641),
        (1951, 1951),
        (3000, 4000),
        (3100, 4133),
        (150, 70000),
    ],
)
def test_a_search_is_bounded_and_goes_down_to_a_small_copy(height: int, width: int) -> None:
    searched = Pyramid(np.zeros((height, width, 3), np.uint8)).searched
    assert sum(level.count for level in searched) < 1.1 * MOST_PIXELS
    assert searched[-1].longer_side <= COARSEST_SIDE
    for finer, coarser in itertools.pairwise(searched):
        assert coarser.scale == finer.scale / 4
        assert finer.longer_side > COARSEST_SIDE


def test_small_photos_are_searched_as_they_are_and_tiny_ones_enlarged() -> None:
    assert Pyramid(image(600, 800)).searched[0].scale == 1
    assert Pyramid(image(200, 300)).searched[0].scale == 2
    assert 0.45 < Pyramid(image(3000, 4000)).searched[0].scale <= 0.52


@pytest.mark.parametrize("scale", [0.05, 0.2, 0.4, 0.9, 3.0])
def test_crops_show_what_they_show_when_cut_from_the_photo_itself(scale: float) -> None:
    photo = image(2101, 2203, wave=max(1, 1 / scale))
    for matrix in (matrices((900.3, 1200.8), scale), matrices((30, 2090), scale)):
        for crop, one in zip(Pyramid(photo).cut(matrix), matrix, strict=True):
            away = np.abs(crop.astype(int) - cut_crop(photo, one))
            assert away.mean() < 2.5
            assert np.percentile(away, 99) < 16


def test_crops_come_from_photos_wider_than_opencv_takes() -> None:
    photo = np.zeros((64, 40000, 3), np.uint8)
    photo[:, 39900:] = 200
    crops = Pyramid(photo).cut(matrices((39950, 32), 1.0, (0,)))
    assert crops.shape == (1, CROP_SIZE, CROP_SIZE, 3)
    assert (crops == 200).all()
    assert Pyramid(photo).cut(np.zeros((0, 2, 3))).shape == (0, CROP_SIZE, CROP_SIZE, 3)


def test_many_matrices_at_once_are_those_of_one_after_the_other() -> None:
    random = np.random.default_rng(2)
    points = random.normal(size=(20, 5, 2)) * 30 + TEMPLATE_XY * 4 + 1000
    found, sound = crop_matrices(points)
    assert sound.all()
    for matrix, inverse, five in zip(found, inverses(found), points, strict=True):
        np.testing.assert_allclose(matrix, crop_matrix(five), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(inverse, transforms.invert(matrix), rtol=1e-9, atol=1e-6)


def test_points_that_make_no_face_are_told_apart() -> None:
    heap, lost = np.full((5, 2), 7.0), TEMPLATE_XY.copy()
    lost[3, 1] = np.nan
    found, sound = crop_matrices(np.stack([heap, TEMPLATE_XY, lost]))
    assert sound.tolist() == [False, True, False]
    assert np.isfinite(found).all()
    for bad in (heap, lost):
        with pytest.raises(AlignError):
            crop_matrix(bad)


def test_boxes_of_many_faces_turn_like_one() -> None:
    boxes = np.array([[0.0, 10, 20, 50], [5, 5, 9, 9]])
    turned = matrices((3, 4), 0.7, (0, 77))
    for row, box, matrix in zip(ellipse_box(boxes, turned), boxes, turned, strict=True):
        np.testing.assert_allclose(row, ellipse_box(box, matrix))


def test_networks_see_planes_from_minus_one_to_one() -> None:
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), np.uint8)
    planes = to_network(photos)
    assert (planes.shape, planes.dtype) == ((2, 3, 32, 64), np.float32)
    np.testing.assert_array_equal(planes, IN_NETWORK[photos.transpose(0, 3, 1, 2)])
    np.testing.assert_allclose(planes, photos.transpose(0, 3, 1, 2) / 127.5 - 1, atol=1e-6)


def test_a_right_angle_turns_a_crop_without_cutting_it_again() -> None:
    """What the detector relies on when it looks at a box turned every way."""
    photo = cv2.GaussianBlur(image(400, 400), (0, 0), 2)
    upright, turned = Pyramid(photo).cut(matrices((200, 210), 0.8, (0, -90)))
    assert np.abs(np.rot90(upright).astype(int) - turned).max() <= 2
