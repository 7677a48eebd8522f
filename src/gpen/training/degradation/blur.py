"""Blur: defocus, camera shake, Gaussian."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixel_types import Random, UInt8Array

_TAPS = 41  # of a 512 px face; the published kernel ends there, even at its widest
_PATH_POINTS = 48
_BORDER = cv2.BORDER_REFLECT_101


def gaussian_blur(image: UInt8Array, random: Random, *, sigma: float, across: float) -> UInt8Array:
    """Blur by a Gaussian: isotropic half of the time, else stretched along a random angle.

    Source: the published training code of GPEN (arXiv 2105.06070).

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the shape and the angle.
        sigma: Width of the round one, or along the angle.
        across: Width across the angle.
    """
    scale = len(image) / 512
    taps = max(3, _TAPS * len(image) // 512 | 1)
    # Below a third of a pixel the sampled kernel is a single tap; the floor avoids 0 / 0.
    along, across = max(sigma * scale, 0.1), max(across * scale, 0.1)
    isotropic = random.random() < 0.5
    angle = random.uniform(0, np.pi)
    if isotropic:
        round_: Any = cv2.GaussianBlur(image, (taps, taps), along, borderType=_BORDER)
        return np.asarray(round_, np.uint8)
    return _filtered(image, _gaussian(taps, along, across, angle))


def _gaussian(taps: int, along: float, across: float, angle: float) -> NDArray[np.float32]:
    """An anisotropic Gaussian kernel, turned by an angle, summing to 1."""
    y, x = np.mgrid[:taps, :taps] - taps // 2
    u = x * math.cos(angle) + y * math.sin(angle)
    v = y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-((u / along) ** 2 + (v / across) ** 2) / 2)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def motion_blur(image: UInt8Array, random: Random, *, length: float) -> UInt8Array:
    """Blur along the path of a shaken camera, which is curved and of uneven speed.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the path.
        length: Of the path.
    """
    bend, wobble = random.normal(0, 1.2), random.normal(0, 0.12, _PATH_POINTS)
    headings = random.uniform(0, 2 * np.pi) + np.linspace(0, bend, _PATH_POINTS) + wobble.cumsum()
    speeds = np.exp(random.normal(0, 0.5, _PATH_POINTS))
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=1) * speeds[:, None]
    length_px = length * len(image) / 512
    path_xy = steps.cumsum(axis=0) * (length_px / speeds.sum())
    # Points closer than a tap: the path has no gaps, however large the image is.
    times = np.linspace(0, _PATH_POINTS - 1, max(_PATH_POINTS, math.ceil(4 * length_px)))
    dense_xy = np.stack([np.interp(times, np.arange(_PATH_POINTS), axis) for axis in path_xy.T], 1)
    return _filtered(image, _path_kernel(dense_xy - dense_xy.mean(axis=0)))


def _path_kernel(path_xy: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points around (0, 0) as a kernel that sums to 1, each shared by its four nearest taps."""
    reach = int(np.abs(path_xy).max()) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    corner = np.floor(path_xy).astype(int)
    part = path_xy - corner
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            np.add.at(kernel, (corner[:, 1] + dy + reach, corner[:, 0] + dx + reach), weight)
    return np.asarray(kernel / kernel.sum(), np.float32)


def defocus(image: UInt8Array, random: Random, *, radius: float) -> UInt8Array:
    """Blur by the even disk of a lens that is out of focus.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides how round the opening is.
        radius: Of the disk.
    """
    radius_px = radius * len(image) / 512
    reach = math.ceil(radius_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    # The edge falls over one pixel, so that the disk grows smoothly.
    distance = np.hypot(x, y / random.uniform(0.85, 1))
    kernel = np.clip(radius_px + 0.5 - distance, 0, 1)
    return _filtered(image, (kernel / kernel.sum()).astype(np.float32))


def _filtered(image: UInt8Array, kernel: NDArray[np.float32]) -> UInt8Array:
    result: Any = cv2.filter2D(image, -1, kernel, borderType=_BORDER)
    return np.asarray(result, np.uint8)
