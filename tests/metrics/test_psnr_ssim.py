"""PSNR and SSIM of pairs whose figures follow by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.metrics.psnr_ssim import psnr, ssim


def _direct_ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """The published formula, one whole window after the other."""
    axis = np.arange(-5, 6)
    taps = np.exp(-(axis**2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    x, y = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float64) for i in (image, truth))
    c1, c2, found = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for row in range(x.shape[0] - 10):
        for column in range(x.shape[1] - 10):
            a, b = (z[row : row + 11, column : column + 11] for z in (x, y))
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            covariance = (window * (a - ma) * (b - mb)).sum()
            top = (2 * ma * mb + c1) * (2 * covariance + c2)
            found.append(top / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return float(np.mean(found))


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


def test_ssim_is_the_published_formula_over_whole_windows() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(truth, (5, 5), 1.0)
    assert ssim(image, truth) == pytest.approx(_direct_ssim(image, truth), abs=1e-9)


def test_ssim_does_not_count_what_no_whole_window_has_at_its_centre() -> None:
    truth = np.random.default_rng(2).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    image = truth.copy()
    image[0] = 255 - image[0]  # within reach of the windows of the next five rows alone
    whole = ssim(image, truth)
    assert whole > 0.95
    assert whole == pytest.approx(_direct_ssim(image, truth), abs=1e-9)


def test_ssim_of_pictures_smaller_than_its_window_is_not_a_number() -> None:
    assert math.isnan(ssim(_flat(3)[:10], _flat(3)[:10]))
    assert ssim(_flat(3)[:11], _flat(3)[:11]) == pytest.approx(1)
