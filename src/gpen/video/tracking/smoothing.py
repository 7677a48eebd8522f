"""Smooths landmarks over time, without lag.

The five points are taken apart into where the face is, how large and how turned, and the shape that
is left, each of which moves in its own way. Each is replaced by the value at its own time of a
parabola fitted to the frames around it: a symmetric window neither lags nor flattens a constant
acceleration. How wide the window is, is decided frame by frame: as wide as the fit agrees, within
the noise of detection, with those of narrower windows (Lepski's rule; Goldenshluger and Nemirovski,
"On spatially adaptive estimation of nonparametric regression", 1997).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Float64Array

#: Windows tried, in frames on either side at 25 frames per second.
WINDOWS = (2.5, 4.0, 6.0, 9.0, 13.0)
#: The same for the shape, which changes more slowly than the head moves.
SHAPE_WINDOWS = (4.0, 6.0, 9.0, 13.0, 19.0)
#: Fits agree where they differ by less than this many standard deviations.
AGREE = 2.0
#: Detections farther from their neighbours than this many standard deviations count for nothing.
OUTLIER = 5.0
OUTLIER_ROUNDS = 4
#: Frames on either side that say how far frames usually are from where they should be.
AROUND = 10
#: Weight of a frame that was interpolated.
BRIDGED_WEIGHT = 0.05
#: Least noise that is assumed, in sizes of a face.
FLOOR = 1e-4
#: Stands in for the size of points that lie in one place, in pixels.
TINY = 1e-6
#: Frames fitted at once; bounds memory.
BLOCK = 4096


def smooth_points(points_xy: Float64Array, scores: Float64Array, fps: float) -> Float64Array:
    """Smooth the points of one face.

    Args:
        points_xy: (N, 5, 2), NaN in frames without a detection, but not in the first and last.
        scores: (N,), what each frame counts; 0 without a detection.
        fps: Frames per second.

    Returns:
        (N, 5, 2), a value for every frame.
    """
    if len(points_xy) < 3:
        return _bridged(points_xy.reshape(len(points_xy), -1)).reshape(points_xy.shape)
    points = _bridged(points_xy.reshape(len(points_xy), -1)).reshape(points_xy.shape)
    weights = np.where(np.isnan(points_xy[:, 0, 0]), BRIDGED_WEIGHT, np.maximum(scores, 0.1))
    middle, turn, shape = _apart(points)
    pace = max(0.5, fps / 25)
    windows = [width * pace for width in WINDOWS]
    # All in sizes of the face, so that one measure of noise serves.
    size = float(np.exp(np.median(turn[:, 0])))
    middle = size * _smooth(middle / size, weights, windows)
    turn = _smooth(turn, weights, windows)
    shape = _smooth(shape, weights, [width * pace for width in SHAPE_WINDOWS])
    return _together(middle, turn, shape)


def smooth_values(values: Float64Array, scores: Float64Array, fps: float) -> Float64Array:
    """Smooth numbers of a like scale, (N, C), as `smooth_points` does the shape."""
    filled = _bridged(values)
    if len(values) < 3:
        return filled
    weights = np.where(np.isnan(values[:, 0]), BRIDGED_WEIGHT, np.maximum(scores, 0.1))
    pace = max(0.5, fps / 25)
    return _smooth(filled, weights, [width * pace for width in SHAPE_WINDOWS])


def _apart(points_xy: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Middle (N, 2), logarithm of the size and angle (N, 2), and shape (N, 10) in sizes.

    Size and angle are those of the similarity that fits the mean shape to the points.
    """
    points = points_xy @ np.array([1, 1j])  # (N, 5) complex
    middle = points.mean(axis=1)
    spread = points - middle[:, None]
    reference = spread[0]
    for _ in range(3):  # settles at once: faces differ little in shape
        reference = reference / max(float(np.abs(reference).mean()), TINY)
        power = max(float(np.vdot(reference, reference).real), TINY)
        factor = spread @ reference.conj() / power
        factor = np.where(np.abs(factor) < TINY, TINY, factor)
        reference = (spread / factor[:, None]).mean(axis=0)
    shape = spread / factor[:, None]
    turn = np.stack([np.log(np.abs(factor)), np.unwrap(np.angle(factor))], axis=1)
    return (
        np.stack([middle.real, middle.imag], axis=1),
        turn,
        np.concatenate([shape.real, shape.imag], axis=1),
    )


def _together(middle: Float64Array, turn: Float64Array, shape: Float64Array) -> Float64Array:
    """The points (N, 5, 2) that `_apart` took apart."""
    factor = np.exp(turn[:, 0] + 1j * turn[:, 1])
    spread = (shape[:, :5] + 1j * shape[:, 5:]) * factor[:, None]
    points = spread + (middle[:, 0] + 1j * middle[:, 1])[:, None]
    return np.stack([points.real, points.imag], axis=2)


def _bridged(values: Float64Array) -> Float64Array:
    """Fill frames that are NaN by cubics that leave and arrive with the speed there, (N, C)."""
    known = np.flatnonzero(~np.isnan(values[:, 0]))
    filled = values.copy()
    for start, end in pairwise(known):
        gap = int(end - start)
        if gap == 1:
            continue
        leaving = _speed(values, known[known <= start][-4:])
        arriving = _speed(values, known[known >= end][:4])
        # A speed measured over few frames is not trusted to carry far.
        most = 1.5 * np.abs(values[end] - values[start]) / gap
        leaving, arriving = np.clip(leaving, -most, most), np.clip(arriving, -most, most)
        u = (np.arange(1, gap) / gap)[:, None]
        filled[start + 1 : end] = (
            (2 * u**3 - 3 * u**2 + 1) * values[start]
            + (u**3 - 2 * u**2 + u) * gap * leaving
            + (3 * u**2 - 2 * u**3) * values[end]
            + (u**3 - u**2) * gap * arriving
        )
    return filled


def _speed(values: Float64Array, frames: NDArray[np.intp]) -> Float64Array:
    """Change per frame over a few frames, (C,), by least squares."""
    if len(frames) < 2:
        return np.zeros(values.shape[1])
    times = frames - frames.mean()
    speed: Float64Array = times @ values[frames] / (times @ times)
    return speed


def _smooth(values: Float64Array, weights: Float64Array, windows: list[float]) -> Float64Array:
    """Smooth (N, C), each frame by the widest window that its neighbourhood bears."""
    noise = _noise(values)
    values, weights = _without_outliers(values, weights, noise)
    fits, errors = zip(*(_fit(values, weights, width) for width in windows), strict=True)
    level = np.zeros(len(values))
    open_ = np.ones(len(values), bool)
    for wide in range(1, len(windows)):
        for narrow in range(wide):
            allowed = AGREE * noise * (errors[narrow] + errors[wide])
            apart = np.sqrt(np.square(fits[wide] - fits[narrow]).mean(axis=1))
            open_ &= apart <= allowed
        level[open_] = wide
    return _mixed(np.stack(fits), _calm(level))


def _noise(values: Float64Array) -> float:
    """Standard deviation of the noise of (N, C), pooled, from fifth differences.

    Of such a high order that a head shaken at 2 Hz adds little; and the median over time, so that
    what moves faster for a while does not count.
    """
    order = min(5, len(values) - 1)
    differences = np.abs(np.diff(values, order, axis=0))
    gain = math.sqrt(math.comb(2 * order, order))  # of independent noise
    each = np.median(differences, axis=0) / (0.6745 * gain)
    return max(FLOOR, float(np.sqrt(np.mean(each**2))))


def _without_outliers(
    values: Float64Array, weights: Float64Array, noise: float
) -> tuple[Float64Array, Float64Array]:
    """Put what its neighbours foretell in place of frames that do not fit them, at low weight.

    An outlier spoils what is foretold of its neighbours too: the worst goes first.
    """
    values, weights = values.copy(), weights.copy()
    if len(values) < 5:
        return values, weights
    for _ in range(OUTLIER_ROUNDS):
        foretold = values.copy()
        near, far = values[1:-3] + values[3:-1], values[:-4] + values[4:]
        foretold[2:-2] = (4 * near - far) / 6  # the cubic through two frames on either side
        away = np.sqrt(np.square(values - foretold).mean(axis=1))
        usual = np.maximum(_sliding(away, AROUND, np.median), noise)
        worst = away >= _sliding(away, 2, np.max)
        out = worst & (away > OUTLIER * usual)
        if not out.any():
            break
        values[out], weights[out] = foretold[out], BRIDGED_WEIGHT
    return values, weights


def _sliding(values: Float64Array, reach: int, measure: Callable[..., Any]) -> Float64Array:
    """A measure of `reach` frames on either side of each, (N,)."""
    padded = np.pad(values, reach, mode="reflect" if len(values) > reach else "edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    result: Float64Array = measure(around, axis=1)
    return result


def _fit(
    values: Float64Array, weights: Float64Array, width: float
) -> tuple[Float64Array, Float64Array]:
    """Parabolas around each frame, over `width` frames on either side.

    At the ends of a track, where the window is one-sided, a line is fitted instead: a parabola
    would follow the noise of the last frames.

    Returns:
        Their values in the middle (N, C), and the standard deviation of those for noise of 1 (N,).
    """
    count, reach = len(values), math.floor(width)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.square(1 - np.square(offsets / (width + 1)))
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    padded_weights = np.pad(weights, reach)
    powers = np.stack([offsets**0, offsets / width, (offsets / width) ** 2])  # (3, W)
    fitted, errors = np.empty_like(values), np.empty(count)
    for start in range(0, count, BLOCK):
        frames = np.arange(start, min(count, start + BLOCK))
        w = padded_weights[frames[:, None] + np.arange(2 * reach + 1)] * kernel  # (n, W)
        normal = np.einsum("nw,pw,qw->npq", w, powers, powers)
        one_sided = np.minimum(frames, count - 1 - frames) < reach / 2
        normal[:, 2, 2] += np.where(one_sided, 1e3, 1e-9) * w.sum(axis=1)
        normal[:, 1, 1] += 1e-9 * w.sum(axis=1)
        solved = np.linalg.solve(normal, np.broadcast_to(np.eye(3)[:, :1], (len(frames), 3, 1)))
        row = np.einsum("np,pw,nw->nw", solved[..., 0], powers, w)  # the value is row · values
        around = padded[frames[:, None] + np.arange(2 * reach + 1)]  # (n, W, C)
        fitted[frames] = np.einsum("nw,nwc->nc", row, around)
        errors[frames] = np.sqrt(np.square(row).sum(axis=1))
    return fitted, errors


def _calm(level: Float64Array) -> Float64Array:
    """Windows that change gradually, never wider than chosen: a switch would be seen as a jump."""
    return _sliding(_sliding(level, 2, np.min), 2, np.mean)


def _mixed(fits: Float64Array, level: Float64Array) -> Float64Array:
    """Fits (windows, N, C) at fractional levels (N,)."""
    low = np.minimum(level.astype(np.intp), len(fits) - 2)
    share = (level - low)[:, None]
    frames = np.arange(len(level))
    mixed: Float64Array = (1 - share) * fits[low, frames] + share * fits[low + 1, frames]
    return mixed
