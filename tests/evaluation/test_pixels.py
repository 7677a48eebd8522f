"""PSNR and SSIM of pairs whose figures follow by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.evaluation.pixels import psnr, ssim


def _flat(level: int) -> np.ndarray:
    return np.full((32, 32, 3), level, np.uint8)


def test_psnr_of_one_level_off_is_20_log_255() -> None:
    assert psnr(_flat(100), _flat(101)) == pytest.approx(20 * math.log10(255))


def test_psnr_of_black_and_white_is_0_and_of_equal_pictures_infinite() -> None:
    assert psnr(_flat(0), _flat(255)) == 0
    assert psnr(_flat(7), _flat(7)) == math.inf


def test_psnr_counts_all_pixels_and_channels() -> None:
    image = _flat(100)
    image[0, 0, 0] = 110  # squared error 100 in one of 3072 values
    assert psnr(image, _flat(100)) == pytest.approx(10 * math.log10(255**2 * 3072 / 100))


@given(st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=20, deadline=None)
def test_ssim_of_flat_pictures_is_their_luminance_term(a: int, b: int) -> None:
    c1 = (0.01 * 255) ** 2
    assert ssim(_flat(a), _flat(b)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1))


def test_ssim_of_a_negative_is_below_0_and_of_equal_pictures_1() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert ssim(noise, noise) == pytest.approx(1)
    assert ssim(255 - noise, noise) < -0.5
