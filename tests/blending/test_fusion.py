"""Fusion: the input stays where it can be trusted, and the network's detail fills what is lost."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.blending.fusion import fuse, split_bands
from gpen.blending.reliability_estimator import (
    FILE,
    Reliability,
    ReliabilityEstimator,
    band_count,
    input_share,
)
from gpen.models import ASSETS

SIZE = 256
CELLS = SIZE // 16


def uniform(share: float, size: int = SIZE) -> Reliability:
    return Reliability(np.full((2, band_count(size), CELLS, CELLS), share, np.float32))


def texture(seed: int, size: int = SIZE, dtype: type = np.uint8) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 196, (size // 4, size // 4, 3))
    pixels = cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(pixels, 0, 255).astype(np.uint8).astype(dtype) * dtype(
        257 if dtype == np.uint16 else 1
    )


def coarse(pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 24)


@pytest.fixture(scope="module")
def estimator() -> ReliabilityEstimator:
    return ReliabilityEstimator(ASSETS / FILE)


@pytest.fixture
def sharp_crop(portrait: Path, demo_points: np.ndarray) -> np.ndarray:
    from gpen.faces.alignment import align_face

    image = cv2.cvtColor(cv2.imread(str(portrait)), cv2.COLOR_BGR2RGB)
    return align_face(image, demo_points, size=SIZE).pixels


def shrunk(pixels: np.ndarray, factor: int) -> np.ndarray:
    size = len(pixels)
    small = cv2.resize(pixels, (size // factor,) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


def test_trusted_crop_stays_bit_for_bit() -> None:
    before = texture(1)
    assert fuse(before, texture(2), uniform(1.0)) is before


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_crop_without_any_detail_takes_the_network_but_keeps_its_tones(dtype: type) -> None:
    before, after = texture(1, dtype=dtype), texture(2, dtype=dtype)
    step = 1 if dtype == np.uint8 else 257
    fused = fuse(before, after, uniform(0.0))
    assert fused.dtype == dtype
    strayed, replaced = (np.abs(coarse(p) - coarse(before)).mean() for p in (fused, after))
    assert strayed < 0.3 * replaced
    finest = [split_bands(p.astype(np.float32), 1)[0] for p in (fused, after)]
    assert np.abs(finest[0] - finest[1]).mean() / step < 1.0


@settings(max_examples=10, deadline=None)
@given(share=st.floats(0.1, 0.9))
def test_share_decides_between_input_and_network_continuously(share: float) -> None:
    before, after = texture(1), texture(2)
    mixed, all_of_it = (fuse(before, after, uniform(s)).astype(float) for s in (share, 0.0))
    expected = before + (1 - share) * (all_of_it - before)
    assert np.abs(mixed - expected).mean() < 1.0


def test_half_that_is_trusted_stays_while_the_other_changes() -> None:
    bands = np.zeros((2, band_count(SIZE), CELLS, CELLS), np.float32)
    bands[..., : CELLS // 2] = 1
    before, after = texture(1), texture(2)
    change = np.abs(fuse(before, after, Reliability(bands)).astype(int) - before).mean(axis=(0, 2))
    assert change[: SIZE // 4].max() < 1
    assert change[3 * SIZE // 4 :].mean() > 10


@pytest.mark.parametrize("lost", [1, 2, 4])
@pytest.mark.parametrize("recolor", [False, True])
def test_bands_that_are_lost_everywhere_come_whole_from_the_network(
    lost: int, recolor: bool
) -> None:
    """The way that leaves them out of the sum gives what the sum would."""
    shares = np.random.default_rng(5).random((2, 4, CELLS, CELLS)).astype(np.float32)
    shares[:, :lost] = 0
    nearly = shares.copy()
    nearly[:, 0, 0, 0] = 1e-6
    before, after = texture(1), texture(2)
    quick, summed = (
        fuse(before, after, Reliability(bands), recolor=recolor) for bands in (shares, nearly)
    )
    assert np.abs(quick.astype(int) - summed).max() <= 1


def test_recoloured_crop_takes_all_colours_of_the_network() -> None:
    gray = np.repeat(texture(1)[..., :1], 3, axis=2)
    red = gray.copy()
    red[..., 0] += 40
    assert (
        np.abs(fuse(gray, red, uniform(0.0), recolor=True)[..., 0].mean() - gray.mean() - 28) < 12
    )
    assert np.ptp(fuse(gray, red, uniform(0.0)).mean(axis=(0, 1))) < 2


def test_bands_and_what_is_left_make_the_image_again() -> None:
    image = texture(3).astype(np.float32)
    bands, rest = split_bands(image, 3), image
    for _ in range(3):
        rest = cv2.pyrDown(rest)
    for band in reversed(bands):
        rest = cv2.pyrUp(rest) + band
    assert np.abs(rest - image).max() < 0.01


def test_share_falls_from_everything_to_nothing() -> None:
    shares = input_share(np.linspace(-8, 3, 30, dtype=np.float32).reshape(1, 30).repeat(2, axis=0))
    assert (np.diff(shares, axis=1) <= 0).all()
    assert (shares[:, 0] == 1).all()
    assert (shares[:, -1] == 0).all()


def test_sharp_face_is_found_undamaged_and_blur_is_told_by_its_strength(
    estimator: ReliabilityEstimator, sharp_crop: np.ndarray
) -> None:
    damages = [estimator.estimate(shrunk(sharp_crop, f)).damage for f in (1, 2, 4, 8, 16)]
    assert damages == sorted(damages)
    assert damages[0] < 0.2  # the photo shows 206 px where the crop has 256
    assert damages[2] > 0.3
    assert damages[4] > 0.7


def test_noise_takes_the_trust_in_fine_detail_only(
    estimator: ReliabilityEstimator, sharp_crop: np.ndarray
) -> None:
    noise = np.random.default_rng(0).normal(0, 18, sharp_crop.shape)
    noisy = np.clip(sharp_crop + noise, 0, 255).astype(np.uint8)
    luma = estimator.estimate(noisy).bands[0].mean(axis=(1, 2))
    assert luma[0] < 0.5
    assert luma[-1] > 0.9


@pytest.mark.parametrize("size", [128, 256, 512, 1024, 2048])
def test_crop_of_every_network_is_judged_in_all_its_bands(
    estimator: ReliabilityEstimator, sharp_crop: np.ndarray, size: int
) -> None:
    crop = cv2.resize(sharp_crop, (size, size), interpolation=cv2.INTER_CUBIC)
    reliability = estimator.estimate(crop)
    assert reliability.bands.shape[:2] == (2, band_count(size))
    assert fuse(crop, crop[::-1].copy(), reliability).shape == crop.shape


def test_deep_crop_is_judged_as_its_8_bits(
    estimator: ReliabilityEstimator, sharp_crop: np.ndarray
) -> None:
    eight = estimator.estimate(sharp_crop).bands
    sixteen = estimator.estimate(sharp_crop.astype(np.uint16) * np.uint16(257)).bands
    assert np.abs(eight - sixteen).max() < 1e-3
