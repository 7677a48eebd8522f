"""Tone and colour: matching mean and spread, keeping a single tint, depth and luma.

Convention:
    pixels    uint8 or uint16 RGB, shape (height, width, 3)
    image   float32 RGB, the same shape, in levels from 0 to 255
    luma      Rec. 601, as Pillow and OpenCV define grey
    chroma    R - luma and B - luma, shape (…, 2); G follows from them
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..types import FloatArray, Pixels
from . import transforms

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Cells along the sides of the grid on which chroma is compared. A cell is larger than a block of
#: JPEG chroma, and averages noise away.
GRID = 12
#: Groups of cells of similar luma that tell the chroma at that luma.
GROUPS = 8
#: Levels of 255 that chroma strays from what its luma says: up to the first an image has one tint,
#: from the second on it has colours. Between them it is taken for something of both, so that no
#: frame of a video jumps. Figures: `benchmarks/finishing.py`.
ONE_TINT, COLORS = 2.5, 4.5


def match_tones(after: FloatArray, before: FloatArray, weight: FloatArray) -> FloatArray:
    """Give an image the weighted mean and spread of another, channel by channel.

    Spreads are changed by at most a factor of 2, since those of a flat face are mostly noise.

    Args:
        after: The image to change.
        before: The one to take mean and spread from, same shape.
        weight: (rows, columns) of the coarse grid on which both are measured.
    """
    grid = weight.shape[1], weight.shape[0]
    share = (weight / weight.sum())[..., None]

    def mean_and_spread(pil_image: FloatArray) -> tuple[FloatArray, FloatArray]:
        coarse = transforms.resize(pil_image, grid)
        mean = (coarse * share).sum(axis=(0, 1))
        return mean, np.sqrt((np.square(coarse - mean) * share).sum(axis=(0, 1))) + 1e-3

    before_mean, before_spread = mean_and_spread(before)
    after_mean, after_spread = mean_and_spread(after)
    gain = np.clip(before_spread / after_spread, 0.5, 2).astype(np.float32)
    matched: FloatArray = (after - after_mean) * gain + before_mean
    return matched


def to_gray(pixels: Pixels) -> Pixels:
    """The luma in all three channels."""
    luma = np.rint(pixels.astype(np.float32) @ LUMA)
    return cast("Pixels", np.repeat(luma[..., None], 3, axis=2).astype(pixels.dtype))


def to_8bit(pixels: Pixels) -> NDArray[np.uint8]:
    """The high byte of 16-bit levels."""
    if pixels.dtype == np.uint8:
        return cast("NDArray[np.uint8]", pixels)
    return (pixels >> 8).astype(np.uint8)


def in_depth_of(pixels: Pixels, dtype: DTypeLike) -> Pixels:
    """Levels of 8 bit as 16 bit, or the reverse, full range both; the same array where it fits."""
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint16:
        return cast("Pixels", pixels.astype(np.uint16) * 257)
    return cast("Pixels", np.rint(pixels / 257).astype(np.uint8))


def to_planes(crops: Sequence[Pixels]) -> FloatArray:
    """Images of one size as what networks take: (N, 3, height, width), in levels from 0 to 255.

    Args:
        crops: At least one; 8 and 16 bit may be mixed.
    """
    planes = [crop.transpose(2, 0, 1) / np.float32(level_of(crop)) for crop in crops]
    return np.ascontiguousarray(np.stack(planes), dtype=np.float32)


def level_of(pixels: Pixels) -> int:
    """Steps of an image's dtype in a level of 8 bit."""
    return 1 if pixels.dtype == np.uint8 else 257


def keep_tint(after: Pixels, before: Pixels) -> Pixels | None:
    """Give an image the tint of one that has only one: grey, sepia, or a cast of its own.

    The tint is a curve of chroma over luma; where the other image strays from it over large
    areas, as yellowed paper does, so does the result.

    Args:
        after: The image to change.
        before: The one that may be of one tint, same shape and dtype.

    Returns:
        The tinted image; None where `before` has colours, and nothing is to be done.
    """
    import cv2

    level = np.float32(level_of(before))
    luma, chroma = _split(transforms.resize(before, (GRID, GRID)).astype(np.float32) / level)
    curve = _tint_curve(luma, chroma)
    stray = chroma - curve[np.clip(np.rint(luma), 0, 255).astype(np.uint8)]
    colors = (float(np.hypot(stray[..., 0], stray[..., 1]).mean()) - ONE_TINT) / (COLORS - ONE_TINT)
    if colors >= 1:
        return None
    pil_image = after.astype(np.float32)
    gray = cv2.cvtColor(pil_image, cv2.COLOR_RGB2GRAY)
    gray = cv2.merge([gray, gray, gray])
    index = cv2.convertScaleAbs(gray, alpha=float(1 / level))
    tint = cv2.LUT(index, rgb_of_chroma(curve[None]) * level)
    tint = tint + transforms.resize(rgb_of_chroma(stray) * level, after.shape[1::-1])
    # The last step rounds and clips.
    depth = cv2.CV_8U if after.dtype == np.uint8 else cv2.CV_16U
    if colors <= 0:
        return cast("Pixels", cv2.add(gray, tint, dtype=depth))
    share = colors * colors * (3 - 2 * colors)
    return cast("Pixels", cv2.addWeighted(gray + tint, 1 - share, pil_image, share, 0, dtype=depth))


def _split(pil_image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Luma and chroma; that of exact grey is exactly 0."""
    luma = pil_image @ LUMA
    chroma = pil_image[..., ::2] - luma[..., None]
    chroma[np.abs(chroma) < 0.01] = 0
    return luma, chroma


def _tint_curve(luma: FloatArray, chroma: FloatArray) -> FloatArray:
    """Chroma at the lumas 0, 1, … 255, shape (256, 2). Black has none."""
    order = np.argsort(luma, axis=None, kind="stable")
    groups = np.array_split(order, GROUPS)
    lumas = [luma.ravel()[group].mean() for group in groups]
    chromas = [chroma.reshape(-1, 2)[group].mean(axis=0) for group in groups]
    known, values = [0, *lumas], np.array([[0, 0], *chromas])
    levels = np.arange(256, dtype=np.float32)
    columns = [np.interp(levels, known, values[:, channel]) for channel in (0, 1)]
    curve = np.stack(columns, axis=1).astype(np.float32)
    # Beyond the lightest cell the tint goes on, as far as no channel is clipped.
    room = (255 - levels) / np.maximum(rgb_of_chroma(curve[None])[0].max(axis=1), np.float32(1e-6))
    limited: FloatArray = curve * np.minimum(room, 1)[:, None]
    return limited


def rgb_of_chroma(chroma: FloatArray) -> FloatArray:
    """What chroma, (height, width, 2), adds to R, G and B."""
    red, blue = chroma[..., 0], chroma[..., 1]
    green = -(LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
    return np.stack([red, green, blue], axis=-1)
