"""Similarity transforms between images and crops, and resampling along them.

Convention:
    pixels   uint8, uint16 or float32, shape (height, width) or (height, width, 3)
    points   (x, y) in pixels; (0, 0) is the centre of the top-left pixel
    matrix   2×3 float64; `target_from_source` maps source points to target points
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import AlignError
from ..types import Float64Array

Border = Literal["reflect", "replicate", "constant"]
#: uint8, uint16 or float32; functions return the dtype they were given.
Raster = TypeVar("Raster", bound=NDArray[Any])

#: Source pixels beyond the outermost sample that a bicubic kernel reads, rounding included.
KERNEL_MARGIN = 3


def fit_similarity(source_xy: ArrayLike, target_xy: ArrayLike) -> Float64Array:
    """Find the rotation, uniform scale and shift that bring points closest to their targets.

    The least-squares solution of Umeyama, "Least-squares estimation of transformation parameters
    between two point patterns", PAMI 1991, with reflections excluded. In the plane it is one
    division: with points as complex numbers about their mean, rotation and scale together are the
    factor Σ conj(s)·t / Σ |s|².

    Args:
        source_xy: (N, 2), N ≥ 2.
        target_xy: (N, 2).

    Returns:
        `target_from_source`, 2×3.

    Raises:
        AlignError: The points differ in shape, are not finite or lie all in one place.
    """
    source = np.asarray(source_xy, dtype=np.float64)
    target = np.asarray(target_xy, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise AlignError(
            f"points have shapes {source.shape} and {target.shape}; "
            "expected twice (N, 2) with the same N of at least 2"
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise AlignError("points are not finite; expected five (x, y) in pixels")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s = (source - source_mean) @ np.array([1, 1j])
    t = (target - target_mean) @ np.array([1, 1j])
    source_power, target_power = np.vdot(s, s).real, np.vdot(t, t).real
    # Below this the spread of the points is rounding error of their own coordinates.
    tiny = 1e-9 * (1 + np.abs(source).max())
    if source_power <= tiny**2 * len(source) or target_power == 0:
        raise AlignError("points lie all in one place; expected five different points of a face")
    factor = np.vdot(s, t) / source_power
    if abs(factor) < 1e-6 * math.sqrt(target_power / source_power):
        raise AlignError("points are mirrored; expected left and right as seen in the image")
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def scale_of(matrix: Float64Array) -> float:
    """Target pixels per source pixel: the square root of how areas grow."""
    return math.sqrt(abs(_determinant(matrix)))


def invert(matrix: Float64Array) -> Float64Array:
    """Turn `target_from_source` into `source_from_target`.

    Raises:
        AlignError: The matrix is not finite or flattens the plane.
    """
    determinant = _determinant(matrix) if np.isfinite(matrix).all() else 0.0
    if determinant == 0.0 or not math.isfinite(1 / determinant):
        raise AlignError("a matrix has no inverse; expected a rotation, scale and shift")
    (a, b), (c, d) = (matrix[:, :2] / determinant).tolist()
    x, y = matrix[:, 2].tolist()
    return np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]], dtype=np.float64)


def _determinant(matrix: Float64Array) -> float:
    (a, b, _), (c, d, _) = matrix.tolist()
    return float(a * d - b * c)


def apply(matrix: Float64Array, points_xy: ArrayLike) -> Float64Array:
    """Map points, (…, 2)."""
    points = np.asarray(points_xy, dtype=np.float64)
    mapped: Float64Array = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped


def compose(second: Float64Array, first: Float64Array) -> Float64Array:
    """The matrix that maps by `first`, then by `second`."""
    composed: Float64Array = second[:, :2] @ first
    composed[:, 2] += second[:, 2]
    return composed


def scaling(x: float, y: float | None = None) -> Float64Array:
    """The matrix that goes with resizing an image by these factors.

    Pixel centres lie at integers, so the corner (-0.5, -0.5) is what stays in place, not (0, 0).
    """
    y = x if y is None else y
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]], dtype=np.float64)


def shifting(x: float, y: float) -> Float64Array:
    """The matrix that moves points by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y]], dtype=np.float64)


def scale_points(points_xy: ArrayLike, factor: float) -> Float64Array:
    """Where points, (…, 2), lie after their image was resized by a factor."""
    return apply(scaling(factor), points_xy)


def resize(pixels: Raster, size_wh: tuple[int, int]) -> Raster:
    """Resize an image: area average along an axis that shrinks, bicubic along one that grows."""
    import cv2

    height, width = pixels.shape[:2]
    shrunk_wh = min(width, size_wh[0]), min(height, size_wh[1])
    result: Any = pixels
    if shrunk_wh != (width, height):
        result = cv2.resize(result, shrunk_wh, interpolation=cv2.INTER_AREA)
    if shrunk_wh != tuple(size_wh):
        result = cv2.resize(result, size_wh, interpolation=cv2.INTER_CUBIC)
    return result  # type: ignore[no-any-return]


def enlarge(pixels: Raster, factor: int) -> Raster:
    """Resize (height, width, channels) by a whole factor, 1 or more, by Lanczos' kernel."""
    import cv2

    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    size_wh = (width * factor, height * factor)
    return cv2.resize(pixels, size_wh, interpolation=cv2.INTER_LANCZOS4)  # type: ignore[return-value]


def warp(
    pixels: Raster,
    target_from_source: Float64Array,
    size_wh: tuple[int, int],
    *,
    border: Border = "reflect",
) -> Raster:
    """Resample an image along a similarity transform.

    A target pixel that covers less than one source pixel is interpolated (bicubic). One that covers
    more is the mean over its footprint: the source is first shrunk to twice the target's
    resolution, sampled there bicubically, and each 2×2 samples are averaged. Only the part of the
    source that is needed is read, so the cost depends on the target and its footprint.

    Args:
        pixels: (height, width) or (height, width, 3), uint8, uint16 or float32. Integers are
            rounded and clipped; float32 may overshoot at edges as bicubic interpolation does.
        target_from_source: 2×3, rotation, uniform scale and shift.
        size_wh: Width and height of the result.
        border: What lies around the source: its mirror image, its outermost pixels, or zeros.

    Returns:
        The resampled image, same dtype.

    Raises:
        AlignError: The matrix has no inverse.
    """
    import cv2

    width, height = size_wh
    steps = _plan_warp(pixels.shape[1::-1], target_from_source, size_wh, border)
    part, sample_from_part = _cut(pixels, steps, border)
    warped: Any = cv2.warpAffine(
        part,
        sample_from_part,
        (width * steps.samples, height * steps.samples),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT if border == "constant" else cv2.BORDER_REPLICATE,
    )
    if steps.samples > 1:
        warped = cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA)
    return warped  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, eq=False)
class _WarpSteps:
    """What `warp` does, in numbers.

    Attributes:
        part_xyxy: The pixels of the source that are needed: columns and rows, ends excluded.
        part_wh: What they are shrunk to, by area average.
        samples: Bicubic samples along each side of a target pixel, whose mean it is.
        sample_from_part: 2×3, from the shrunken part to the samples.
        footprint_xy: (4, 2), the outermost samples in pixels of the shrunken part.
    """

    part_xyxy: tuple[int, int, int, int]
    part_wh: tuple[int, int]
    samples: int
    sample_from_part: Float64Array
    footprint_xy: Float64Array


def _plan_warp(
    source_wh: tuple[int, ...],
    target_from_source: Float64Array,
    size_wh: tuple[int, int],
    border: Border,
) -> _WarpSteps:
    """How to resample an image of a size along a similarity transform; see `warp`."""
    shrink = 1 / max(scale_of(target_from_source), np.finfo(np.float64).tiny)
    samples = 2 if shrink > 1 else 1
    sample_from_source = compose(scaling(samples), target_from_source)
    source_from_sample = invert(sample_from_source)
    last_x, last_y = size_wh[0] * samples - 1, size_wh[1] * samples - 1
    footprint = apply(source_from_sample, [[0, 0], [last_x, 0], [0, last_y], [last_x, last_y]])
    shrink = max(1.0, scale_of(source_from_sample))
    margin = KERNEL_MARGIN * shrink
    (left, right), (top, bottom) = (
        _needed_range(low - margin, high + margin, length, mirrored=border == "reflect")
        for low, high, length in zip(
            footprint.min(axis=0), footprint.max(axis=0), source_wh, strict=True
        )
    )
    part_wh = max(1, round((right - left) / shrink)), max(1, round((bottom - top) / shrink))
    source_from_part = compose(
        shifting(left, top), scaling((right - left) / part_wh[0], (bottom - top) / part_wh[1])
    )
    return _WarpSteps(
        part_xyxy=(left, top, right, bottom),
        part_wh=part_wh,
        samples=samples,
        sample_from_part=compose(sample_from_source, source_from_part),
        footprint_xy=apply(invert(source_from_part), footprint),
    )


def _cut(pixels: Any, steps: _WarpSteps, border: Border) -> tuple[Any, Float64Array]:
    """The part of the source under the samples, shrunk, and `sample_from_part`."""
    import cv2

    left, top, right, bottom = steps.part_xyxy
    part = pixels[top:bottom, left:right]
    if steps.part_wh != (right - left, bottom - top):
        part = cv2.resize(part, steps.part_wh, interpolation=cv2.INTER_AREA)
    if border != "reflect":
        return part, steps.sample_from_part
    part, old_from_new = _mirror(part, steps.footprint_xy)
    return part, compose(steps.sample_from_part, old_from_new)


def _needed_range(low: float, high: float, length: int, *, mirrored: bool) -> tuple[int, int]:
    """Which pixels of an axis a footprint from `low` to `high` reads, its mirror image included."""
    if mirrored and low < 0:
        high = max(high, -low)
    if mirrored and high > length:
        low = min(low, 2 * length - high)
    start = math.floor(min(max(low, 0), length - 1))
    return start, math.ceil(min(max(high, start + 1), length))


def _mirror(part: Any, footprint_xy: Float64Array) -> tuple[Any, Float64Array]:
    """Continue an image by its mirror image where samples lie outside, and cut it to them.

    By a copy, not by the border mode of cv2's warps: that keeps positions in 16 bits, while a face
    may lie anywhere.

    Returns:
        The image and `old_from_new`.
    """
    import cv2

    low = np.floor(footprint_xy.min(axis=0)).astype(np.int64) - KERNEL_MARGIN
    high = np.ceil(footprint_xy.max(axis=0)).astype(np.int64) + KERNEL_MARGIN
    size = np.array(part.shape[1::-1])
    if (low >= 0).all() and (high < size).all():
        return part, shifting(0, 0)
    # A single pixel mirrors to a constant, which is left to cv2: its footprint may be any size.
    low, high = np.where(size == 1, 0, low), np.where(size == 1, 0, high)
    # Mirror images repeat after twice the length, so that far ones are found nearer by.
    near = low - (low + size) // (2 * size) * (2 * size)
    before, after = np.maximum(0, -near), np.maximum(0, near + (high - low) - (size - 1))
    (left, top), (right, bottom) = before.tolist(), after.tolist()
    padded = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REFLECT)
    (x, y), (width, height) = (near + before).tolist(), (high - low + 1).tolist()
    return padded[y : y + height, x : x + width], shifting(*low.astype(float))
