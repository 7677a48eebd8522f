"""What is measured on a crop follows what a person sees."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.face_templates import template_points
from gpen.faces.alignment import align_face
from gpen.images import transforms
from gpen.training.prepare import measures

SIZE = 256


@pytest.fixture(scope="module")
def crop(portrait: Path) -> np.ndarray:
    """The portrait, whose face lies about where it would in a crop."""
    pixels = np.ascontiguousarray(cv2.imread(str(portrait))[..., ::-1])
    return transforms.resize(pixels, (SIZE, SIZE))


def differing_bits(first: bytes, second: bytes) -> int:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def test_blur_and_enlarging_lower_sharpness_and_contrast_does_not(crop: np.ndarray) -> None:
    sharp = measures.sharpness(crop, SIZE)
    blurred = [measures.sharpness(cv2.GaussianBlur(crop, (0, 0), s), SIZE) for s in (0.7, 1, 2)]
    enlarged = transforms.resize(transforms.resize(crop, (SIZE // 3,) * 2), (SIZE, SIZE))
    flat = (crop * 0.5 + 60).astype(np.uint8)
    assert sharp > 0.1
    assert sharp > blurred[0] > blurred[1] > blurred[2]
    assert blurred[1] < 0.5 * sharp
    assert measures.sharpness(enlarged, SIZE) < 0.5 * sharp
    assert measures.sharpness(flat, SIZE) == pytest.approx(sharp, rel=0.1)


def test_sharpness_is_judged_at_the_resolution_of_the_photo(crop: np.ndarray) -> None:
    enlarged = transforms.resize(crop, (2 * SIZE, 2 * SIZE))
    judged = measures.sharpness(enlarged, SIZE)
    assert judged == pytest.approx(measures.sharpness(crop, SIZE), rel=0.2)
    assert measures.sharpness(enlarged, 2 * SIZE) < 0.6 * judged


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_plain_crop_is_not_sharp(value: int) -> None:
    assert measures.sharpness(np.full((SIZE, SIZE, 3), value, np.uint8), 100) < 0.01


def test_a_tiny_native_side_is_measured_without_error(crop: np.ndarray) -> None:
    assert np.isfinite(measures.sharpness(crop, 3.0))


def test_turn_is_zero_in_front_and_one_with_the_nose_over_an_eye() -> None:
    front = template_points("gpen", SIZE).copy()
    assert measures.turn(front) < 0.02
    front[2, 0] = front[1, 0]
    assert measures.turn(front) == pytest.approx(1, abs=0.02)
    front[2] = front[:2].mean(axis=0)
    assert measures.turn(front) == pytest.approx(1, abs=0.02)


def test_turn_of_points_in_one_place_is_finite() -> None:
    assert np.isfinite(measures.turn(np.zeros((5, 2))))


def test_inside_and_native_follow_the_matrix() -> None:
    whole = transforms.scaling(SIZE / 512)
    assert measures.native_side(whole, SIZE) == pytest.approx(512)
    assert measures.inside_share(whole, SIZE, (512, 512)) == 1.0
    assert measures.inside_share(whole, SIZE, (256, 512)) == pytest.approx(0.5, abs=0.02)
    half = transforms.compose(transforms.shifting(SIZE / 2, 0), whole)
    assert measures.inside_share(half, SIZE, (512, 512)) == pytest.approx(0.5, abs=0.02)


def test_looks_survive_what_does_not_show(crop: np.ndarray) -> None:
    looks = measures.looks(crop)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 30]
    compressed = cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
    small = transforms.resize(crop, (96, 96))
    bright = np.clip(crop * 1.2 + 10, 0, 255).astype(np.uint8)
    assert len(looks) == 32
    for copy in (compressed, small, bright):
        assert differing_bits(looks, measures.looks(copy)) <= 22


def test_looks_tell_a_face_from_its_mirror_image(crop: np.ndarray) -> None:
    mirrored = np.ascontiguousarray(crop[:, ::-1])
    assert differing_bits(measures.looks(crop), measures.looks(mirrored)) > 38


def test_turn_and_inside_of_a_real_face(demo_photo: Path, demo_points: np.ndarray) -> None:
    pixels = np.ascontiguousarray(cv2.imread(str(demo_photo))[..., ::-1])
    cut = align_face(pixels, demo_points, size=SIZE)
    assert measures.turn(cut.points_xy) < 0.4
    size_wh = (pixels.shape[1], pixels.shape[0])
    assert 0.5 < measures.inside_share(cut.crop_from_image, SIZE, size_wh) <= 1
