"""Removes the brightness flicker of old film from whole frames.

Pass 1 measures each frame (`measure`), `corrections` plans over the whole video, pass 2 applies. A
frame is described by quantiles of its luma. Each quantile is fitted by a local straight line over
the frames around, as many before as after, so that nothing lags and a fade stays a fade. Frames of
another scene do not count, and frames whose level is far off beyond what flickers count little, so
that a lamp switched on stays a step. Frame and fit are joined by one gain and one offset.

Convention:
    pixels       uint8 or uint16 RGB, (height, width, 3)
    quantiles    float64, (QUANTILES,), luma in shares of the range, rising
    correction   float64, (2,): gain, and offset in shares of the range
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...types import Float64Array, Pixels

#: Luma is ranked at these shares; the darkest and brightest are clipped in too many frames.
QUANTILES = np.linspace(0.1, 0.9, 9)
#: Longer side of the image that is ranked: noise and detail do not matter.
SIDE = 96
#: Frames on each side that a fit looks at, and the standard deviation of their weights.
REACH, SPREAD = 15, 4.0
#: Differences of level, in typical flickers, at which a frame counts half.
OTHER_LIGHT = 4.0
#: Flicker below this share of the range is left alone: it is motion, or noise.
LEAST = 0.0005
#: Gains and offsets are held within these: more is no flicker.
GAIN, OFFSET = (0.6, 1.7), 0.2
#: A frame flatter than this, in shares of the range, tells no gain.
FLAT = 0.01


def measure(pixels: Pixels) -> Float64Array:
    """How bright a frame is, (9,) quantiles of its luma."""
    import cv2

    height, width = pixels.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size_wh = max(1, round(width * factor)), max(1, round(height * factor))
    small: Any = cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA)
    luma = small @ np.array([0.299, 0.587, 0.114]) / np.iinfo(pixels.dtype).max
    quantiles: Float64Array = np.quantile(luma, QUANTILES)
    return quantiles


def corrections(quantiles: ArrayLike, cuts: Sequence[int] = ()) -> Float64Array:
    """Plan a whole video.

    Args:
        quantiles: (frames, 9), what `measure` gave for each frame.
        cuts: Numbers of the frames that begin another scene.

    Returns:
        (frames, 2): what `apply` needs for each frame; (1, 0) where nothing is to be done.
    """
    measured = np.asarray(quantiles, dtype=np.float64).reshape(-1, len(QUANTILES))
    borders = [0, *sorted({cut for cut in cuts if 0 < cut < len(measured)}), len(measured)]
    scenes = [_scene(measured[a:b]) for a, b in pairwise(borders)]
    return np.concatenate(scenes)


def apply(pixels: Pixels, correction: ArrayLike) -> Pixels:
    """A frame with its correction; the frame itself where there is nothing to correct."""
    gain, offset = np.asarray(correction, dtype=np.float64)
    if (gain, offset) == (1, 0):
        return pixels
    top = int(np.iinfo(pixels.dtype).max)
    levels = np.clip(np.arange(top + 1) * gain + offset * top, 0, top)
    table = np.rint(levels).astype(pixels.dtype)
    return cast("Pixels", table[pixels])


def _scene(measured: Float64Array) -> Float64Array:
    """Corrections of frames without a cut, (frames, 2)."""
    count = len(measured)
    result = np.tile([1.0, 0.0], (count, 1))
    if count < 3:
        return result
    level = measured.mean(axis=1)
    # Second differences of a ramp are 0, those of independent values 6 times as large in square.
    flicker = 1.4826 * float(np.median(np.abs(np.diff(level, 2)))) / np.sqrt(6)
    if flicker < LEAST:
        return result
    for index in range(count):
        first, last = max(0, index - REACH), min(count, index + REACH + 1)
        around = np.arange(first, last) - index
        weights = np.exp(-np.square(around / SPREAD) / 2)
        # The frame's own level is flicker too: what is like it is told by the median beside it.
        beside = np.median(level[max(0, index - 2) : index + 3])
        weights /= 1 + np.square((level[first:last] - beside) / (OTHER_LIGHT * flicker)) ** 2
        result[index] = _joined(measured[index], _fitted(around, measured[first:last], weights))
    return result


def _fitted(
    around: NDArray[np.int64], measured: Float64Array, weights: Float64Array
) -> Float64Array:
    """Value at 0 of the weighted straight line through each quantile, (9,)."""
    mean_time = float(weights @ around / weights.sum())
    mean: Float64Array = weights @ measured / weights.sum()
    off = around - mean_time
    power = float(weights @ np.square(off))
    if power < 1e-9:
        return mean
    slope: Float64Array = (weights * off) @ measured / power
    return mean - slope * mean_time


def _joined(measured: Float64Array, wanted: Float64Array) -> Float64Array:
    """Gain and offset that bring quantiles closest to wanted ones, (2,)."""
    spread = measured - measured.mean()
    power = float(spread @ spread)
    flat = power < len(measured) * FLAT**2
    gain = 1.0 if flat else float(np.clip(spread @ wanted / power, *GAIN))
    offset = float(np.clip(wanted.mean() - gain * measured.mean(), -OFFSET, OFFSET))
    return np.array([gain, offset])
