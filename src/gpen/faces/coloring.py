"""Colours of a face without its light: taken from a network, balanced, put on a luma.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    chroma   float32, (height, width, 2): R - luma and B - luma in levels of 255; G follows

A colour is luma plus chroma, so that the luma of the result is that of the input, as in the
published code (which replaces Y in YUV, the same up to factors). Where a colour would leave the
range, the published code clips it, which changes its luma; here its chroma is made smaller instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from ..images.tones import LUMA, level_of, rgb_of_chroma
from ..types import FloatArray, Pixels

#: Rows that are worked on at once.
_ROWS = 256


def chroma_of(pixels: Pixels) -> FloatArray:
    """The chroma of an image."""
    levels: FloatArray = pixels.astype(np.float32)
    levels /= level_of(pixels)
    chroma: FloatArray = levels[..., ::2] - (levels @ LUMA)[..., None]
    return chroma


def colored(pixels: Pixels, chroma: FloatArray) -> Pixels:
    """The luma of an image with another chroma, as far as no channel leaves the range.

    Args:
        pixels: The image; its own colours do not count.
        chroma: Of the result.
    """
    level = np.float32(level_of(pixels))
    luma = (pixels.astype(np.float32) @ LUMA / level)[..., None]
    change = rgb_of_chroma(chroma)
    room_up = (255 - luma) / np.maximum(change.max(axis=-1, keepdims=True), np.float32(1e-6))
    room_down = luma / np.maximum(-change.min(axis=-1, keepdims=True), np.float32(1e-6))
    share = np.minimum(np.minimum(room_up, room_down), 1)
    levels = np.clip(luma + change * share, 0, 255) * level
    return cast("Pixels", np.rint(levels).astype(pixels.dtype))


def balanced(chromas: Sequence[FloatArray]) -> list[FloatArray]:
    """Give the faces of one photo one white balance: the mean of their own.

    A network colours every face by itself, warmer here and cooler there, while one light fell on
    all. The mean chroma of a crop stands for its balance.
    """
    if len(chromas) < 2:
        return list(chromas)
    means = [chroma.mean(axis=(0, 1)) for chroma in chromas]
    common = np.mean(means, axis=0)
    return [chroma + (common - mean) for chroma, mean in zip(chromas, means, strict=True)]


def has_colors(pixels: Pixels, strength: float = 4.0) -> bool:
    """Whether an image has colours, by the mean of its chroma in levels."""
    step = max(1, min(pixels.shape[:2]) // 64)
    chroma = chroma_of(pixels[::step, ::step])
    return float(np.abs(chroma).mean()) > strength


def keep_luma(result: Pixels, source: Pixels) -> Pixels:
    """The result with the luma of its source wherever the two differ.

    Args:
        result: An image whose chroma is taken.
        source: One of the same shape and dtype.
    """
    kept = result.copy()
    for top in range(0, len(result), _ROWS):
        rows = slice(top, top + _ROWS)
        changed = (result[rows] != source[rows]).any(axis=-1)
        if changed.any():
            part = colored(source[rows], chroma_of(result[rows]))
            kept[rows][changed] = part[changed]
    return kept
