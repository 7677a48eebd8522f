"""Around the inner face nothing goes beyond the levels that the input has near by."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpen.blending.outlines import suppress_halos
from gpen.blending.reliability_estimator import Reliability, band_count
from gpen.face_templates import template_points

SIZE = 256
POINTS = template_points("gpen", SIZE)
BLURRED = Reliability(np.zeros((2, band_count(SIZE), SIZE // 16, SIZE // 16), np.float32))


def head(dtype: type = np.uint8) -> np.ndarray:
    """A light oval before a dark wall."""
    pixels = np.full((SIZE, SIZE, 3), 60, np.uint8)
    cv2.ellipse(pixels, (128, 150), (70, 95), 0, 0, 360, (180, 150, 130), -1)
    return pixels.astype(dtype) * dtype(257 if dtype == np.uint16 else 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rim_outside_the_head_goes(dtype: type) -> None:
    before, step = head(dtype), 1 if dtype == np.uint8 else 257
    rimmed = before.copy()
    cv2.ellipse(rimmed, (128, 150), (76, 101), 0, 0, 360, (255 * step,) * 3, 3)
    held = suppress_halos(before, rimmed, POINTS, BLURRED)
    assert held.dtype == dtype
    beyond = held.max(axis=2).astype(float) / step
    ring = (rimmed != before).any(axis=2)
    assert beyond[ring].max() <= 180 + 0.12 * 120 + 2


def test_middle_of_the_face_may_have_any_level() -> None:
    before = head()
    sparkling = before.copy()
    cv2.circle(sparkling, (128, 140), 4, (255, 255, 255), -1)
    assert np.array_equal(suppress_halos(before, sparkling, POINTS, BLURRED), sparkling)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_unchanged_crop_stays_bit_for_bit(dtype: type) -> None:
    before = head(dtype)
    assert np.array_equal(suppress_halos(before, before.copy(), POINTS, BLURRED), before)


@pytest.mark.parametrize("lost", [0, 1, 2, 4])
def test_crop_that_lost_fine_bands_is_held_as_on_the_full_grid(lost: int) -> None:
    """Fewer samples tell about the same: never less than is near by, and rims go all the same."""
    before = cv2.GaussianBlur(head(), (0, 0), 6)
    bands = np.ones((2, 4, 16, 16), np.float32)
    bands[:, :lost] = 0
    rimmed = before.copy()
    cv2.ellipse(rimmed, (128, 150), (84, 109), 0, 0, 360, (255, 255, 255), 3)
    held = suppress_halos(before, rimmed, POINTS, Reliability(bands))
    assert held[(rimmed != before).any(axis=2)].max() <= 200
    assert np.array_equal(suppress_halos(before, before, POINTS, Reliability(bands)), before)


def test_blurred_outline_may_become_sharp() -> None:
    sharp = head()
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    held = suppress_halos(blurred, sharp, POINTS, BLURRED)
    assert np.abs(held.astype(int) - sharp).max() <= 3
