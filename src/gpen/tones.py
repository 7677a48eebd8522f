"""Tones of pictures: their mean and spread, and whether they have colours at all.

Convention:
    picture   float32 RGB, shape (height, width, 3), in levels of 8 or 16 bit
    luma      Rec. 601, as Pillow and OpenCV define grey
    chroma    (R - luma, B - luma), (height, width, 2); G follows from both
"""

from __future__ import annotations

import numpy as np

from . import geometry
from .types import FloatArray


def match_tones(after: FloatArray, before: FloatArray, weight: FloatArray) -> FloatArray:
    """Give a picture the weighted mean and spread of another, channel by channel.

    Spreads are changed by at most a factor of 2, since those of a flat face are mostly noise.

    Args:
        after: (height, width, 3), the picture to change.
        before: The same shape, the one to take them from.
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
