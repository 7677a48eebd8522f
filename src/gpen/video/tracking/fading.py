"""Opacity of restored faces over time, so that they fade in and out."""

from __future__ import annotations

import numpy as np

from ...types import Float64Array

#: Time that a face takes to appear or to vanish, in seconds.
FADE_S = 0.25
#: Score, averaged over the time of a fade, from which a face begins to show and where it shows in
#: full; a frame without a detection counts as 0.
FAINT, CLEAR = 0.3, 0.65
#: A face that shrinks is shown until it is this share of the smallest one.
SHRUNK = 0.85


def fade(
    scores: Float64Array,
    sizes: Float64Array,
    min_face: float,
    fps: float,
    *,
    fade_in: bool,
    fade_out: bool,
) -> Float64Array:
    """Opacity of one face over its track.

    Args:
        scores: (N,) confidence, 0 where it was not seen.
        sizes: (N,) pixels.
        min_face: Smallest size that is shown, in pixels.
        fps: Frames per second.
        fade_in: The track does not begin with its shot.
        fade_out: The track does not end with its shot.

    Returns:
        (N,) in [0, 1].
    """
    length = max(1, round(FADE_S * fps))
    certain = _soft_step((_mean(scores, length) - FAINT) / (CLEAR - FAINT))
    large = _soft_step(_mean(_large_enough(sizes, min_face), length))
    count = np.arange(1, len(scores) + 1)
    begins = _soft_step(count / (length + 1)) if fade_in else np.ones(len(scores))
    ends = _soft_step(count[::-1] / (length + 1)) if fade_out else np.ones(len(scores))
    return certain * large * np.minimum(begins, ends)


def _large_enough(sizes: Float64Array, min_face: float) -> Float64Array:
    """1 from where a face reaches the smallest size to where it is clearly smaller, else 0."""
    shown = bool(sizes[0] >= min_face)
    result = np.empty(len(sizes))
    for n, size in enumerate(sizes):
        shown = bool(size >= min_face * (SHRUNK if shown else 1.0))
        result[n] = shown
    return result


def _mean(values: Float64Array, length: int) -> Float64Array:
    """Mean over `length` frames on either side, nearer ones counting more; the ends go on."""
    offsets = np.arange(-length, length + 1)
    kernel = 1 - np.abs(offsets) / (length + 1)
    padded = np.pad(values, length, mode="edge")
    mean: Float64Array = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return mean


def _soft_step(values: Float64Array) -> Float64Array:
    """0 below 0, 1 above 1, without a corner between."""
    inside = np.clip(values, 0, 1)
    step: Float64Array = inside * inside * (3 - 2 * inside)
    return step
