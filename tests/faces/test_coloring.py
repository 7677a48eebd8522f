"""Chroma from one image, luma from another."""

from __future__ import annotations

import numpy as np
import pytest

from gpen.faces.coloring import balanced, chroma_of, colored, has_colors, keep_luma
from gpen.images.tones import LUMA

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luma_stays_whatever_the_chroma(dtype: type) -> None:
    most = np.iinfo(dtype).max
    pixels = RANDOM.integers(0, most + 1, (40, 50, 3)).astype(dtype)
    chroma = RANDOM.normal(0, 200, (40, 50, 2)).astype(np.float32)
    result = colored(pixels, chroma)
    assert result.dtype == dtype
    assert np.abs(result @ LUMA.astype(float) - pixels @ LUMA.astype(float)).max() <= 0.6


def test_own_chroma_gives_the_image_back() -> None:
    pixels = RANDOM.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert np.array_equal(colored(pixels, chroma_of(pixels)), pixels)


def test_faces_of_one_photo_get_one_balance() -> None:
    warm = np.full((8, 8, 2), (10, -10), np.float32)
    cool = np.full((8, 8, 2), (-4, 6), np.float32)
    first, second = balanced([warm, cool])
    assert np.allclose(first, (3, -2))
    assert np.allclose(second, (3, -2))
    assert balanced([warm])[0] is warm


def test_luma_is_kept_only_where_something_changed() -> None:
    source = RANDOM.integers(0, 256, (300, 20, 3)).astype(np.uint8)
    result = source.copy()
    result[100:280] //= 2
    kept = keep_luma(result, source)
    assert np.array_equal(kept[:100], source[:100])
    assert np.abs(kept @ LUMA.astype(float) - source @ LUMA.astype(float)).max() <= 0.6


def test_colors_are_told_from_gray() -> None:
    gray = np.repeat(RANDOM.integers(0, 256, (90, 90, 1)), 3, axis=2).astype(np.uint8)
    assert not has_colors(gray)
    assert has_colors((gray * [1, 0.8, 0.5]).astype(np.uint8))
