"""Tones of pictures: their mean and spread, and whether they have more than one tint.

Convention:
    pixels    uint8 or uint16 RGB, shape (height, width, 3)
    picture   float32 RGB, the same shape, in levels from 0 to 255
    luma      Rec. 601, as Pillow and OpenCV define grey
    chroma    R - luma and B - luma, shape (…, 2); G follows from them
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import geometry
from .types import FloatArray, Pixels

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Cells along the sides of the grid on which chroma is compared. A cell is larger than a block of
#: JPEG chroma, and averages noise away.
GRID = 12
#: Groups of cells of similar luma that tell the chroma at that luma.
GROUPS = 8
#: Levels of 255 that chroma strays from what its luma says: up to the first a picture has one tint,
#: from the second on it has colours. Between them it is taken for something of both, so that no
#: frame of a clip jumps. Figures: `benchmarks/finishing.py`.
ONE_TINT, COLORS = 2.5, 4.5


def match_tones(after: FloatArray, before: FloatArray, weight: FloatArray) -> FloatArray:
    """Give a picture the weighted mean and spread of another, channel by channel.

    Spreads are changed by at most a factor of 2, since those of a flat face are mostly noise.

    Args:
        after: The picture to change.
        before: The one to take mean and spread from, same shape.
        weight: (rows, columns) of the coarse grid on which both are measured.
    """
    grid = weight.shape[1], weight.shape[0]
    share = (weight / weight.sum())[..., None]

    def mean_and_spread(picture: FloatArray) -> tuple[FloatArray, FloatArray]:
        coarse = geometry.resize(picture, grid)
        mean = (coarse * share).sum(axis=(0, 1))
        return mean, np.sqrt((np.square(coarse - mean) * share).sum(axis=(0, 1))) + 1e-3

    before_mean, before_spread = mean_and_spread(before)
    after_mean, after_spread = mean_and_spread(after)
    gain = np.clip(before_spread / after_spread, 0.5, 2).astype(np.float32)
    matched: FloatArray = (after - after_mean) * gain + before_mean
    return matched


def level_of(pixels: Pixels) -> int:
    """Steps of a picture's dtype in a level of 8 bit."""
    return 1 if pixels.dtype == np.uint8 else 257


def keep_tint(after: Pixels, before: Pixels) -> Pixels | None:
    """Give a picture the tint of one that has only one: grey, sepia, or a cast of its own.

    The tint is a curve of chroma over luma; where the other picture strays from it over large
    areas, as yellowed paper does, so does the result.

    Args:
        after: The picture to change.
        before: The one that may be of one tint, same shape and dtype.

    Returns:
        The tinted picture; None where `before` has colours, and nothing is to be done.
    """
    level = np.float32(level_of(before))
    coarse = geometry.resize(before, (GRID, GRID)).astype(np.float32) / level
    luma, chroma = _split(coarse)
    curve = _tint_curve(luma, chroma)
    stray = chroma - curve[_nearest(luma)]
    colors = (float(np.hypot(stray[..., 0], stray[..., 1]).mean()) - ONE_TINT) / (COLORS - ONE_TINT)
    if colors >= 1:
        return None
    picture: FloatArray = after.astype(np.float32) / level
    luma = np.asarray(picture @ LUMA, np.float32)
    own = curve[_nearest(luma)] + geometry.resize(stray, after.shape[1::-1])
    red, blue = own[..., 0], own[..., 1]
    green = -(LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
    tinted = luma[..., None] + np.stack([red, green, blue], axis=-1)
    if colors > 0:
        tinted = tinted + np.float32(colors * colors * (3 - 2 * colors)) * (picture - tinted)
    whole: FloatArray = np.clip(np.rint(tinted * level), 0, np.iinfo(after.dtype).max)
    return whole.astype(np.uint8) if after.dtype == np.uint8 else whole.astype(np.uint16)


def _split(picture: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Luma and chroma; that of exact grey is exactly 0."""
    luma = picture @ LUMA
    chroma = picture[..., ::2] - luma[..., None]
    chroma[np.abs(chroma) < 0.01] = 0
    return luma, chroma


def _tint_curve(luma: FloatArray, chroma: FloatArray) -> FloatArray:
    """Chroma at the lumas 0, 1, … 255, shape (256, 2). Black and white have none."""
    order = np.argsort(luma, axis=None, kind="stable")
    groups = np.array_split(order, GROUPS)
    lumas = [luma.ravel()[group].mean() for group in groups]
    chromas = [chroma.reshape(-1, 2)[group].mean(axis=0) for group in groups]
    known, values = [0, *lumas, 255], np.array([[0, 0], *chromas, [0, 0]])
    columns = [np.interp(np.arange(256), known, values[:, channel]) for channel in (0, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def _nearest(luma: FloatArray) -> NDArray[np.uint8]:
    return np.clip(np.rint(luma), 0, 255).astype(np.uint8)
