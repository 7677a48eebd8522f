"""Noise of sensors and film. Strengths are in levels (0 to 255) of the image as it is."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixel_types import Random, UInt8Array


def gaussian_noise(image: UInt8Array, random: Random, *, sigma: float) -> UInt8Array:
    """Independent Gaussian noise in every channel.

    Source: the published training code of GPEN (arXiv 2105.06070).
    """
    return _added(image, random.standard_normal(image.shape, np.float32) * np.float32(sigma))


def sensor_noise(
    image: UInt8Array, random: Random, *, read: float, shot: float, chroma: float
) -> UInt8Array:
    """Noise of a camera in low light: it grows with the signal, and has coloured blotches.

    The variance is read² + shot² · level / 255: electronics, and the Poisson noise of photons in
    its Gaussian limit. Most of it is brightness, as cameras smooth the colours.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the noise and the size of the blotches.
        read: Deviation in the dark.
        shot: Deviation that light adds at level 255.
        chroma: Deviation of the blotches, 2 to 6 pixels wide, in each channel.
    """
    height, width = image.shape[:2]
    level = np.arange(256, dtype=np.float32) / 255
    deviation: Any = cv2.LUT(image, np.sqrt(read**2 + shot**2 * level).astype(np.float32))
    noise = 0.5 * random.standard_normal(image.shape, np.float32)
    noise += np.float32(0.87) * random.standard_normal((height, width, 1), np.float32)
    noise *= deviation
    blotch = random.uniform(2, 6)
    coarse = (max(1, round(height / blotch)), max(1, round(width / blotch)), 3)
    blotches = random.standard_normal(coarse, np.float32) * np.float32(chroma)
    blotches -= blotches.mean(axis=2, keepdims=True)  # colour only
    noise += cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)
    return _added(image, noise)


def grain(image: UInt8Array, random: Random, *, strength: float) -> UInt8Array:
    """Film grain: clumps of brightness, strongest in the middle tones.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the grain and its size, 1 to 2.2 pixels.
        strength: Deviation in the middle tones, in levels.
    """
    height, width = image.shape[:2]
    clump = random.uniform(1, 2.2)
    coarse = (max(2, round(height / clump)), max(2, round(width / clump)))
    field = random.standard_normal(coarse, np.float32) * np.float32(1.2 * strength)
    grains: Any = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    level = np.arange(256, dtype=np.float32) / 255
    weight: Any = cv2.LUT(image, 0.35 + 2.6 * level * (1 - level))
    return _added(image, weight * grains[..., None])


def noise_reduction(image: UInt8Array, random: Random, *, strength: float) -> UInt8Array:
    """Noise reduction as in phones: smooth skin, sharp edges.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides how far and over how large differences is smoothed.
        strength: Share of the smoothed image, 0 to 1.
    """
    levels, pixels = random.uniform(12, 45), random.uniform(1.5, 3.5)
    smooth: Any = cv2.bilateralFilter(image, 2 * round(2 * pixels) + 1, levels, pixels)
    mixed: Any = cv2.addWeighted(smooth, strength, image, 1 - strength, 0)
    return np.asarray(mixed, np.uint8)


def _added(image: UInt8Array, noise: NDArray[np.float32]) -> UInt8Array:
    """The sum, rounded and clipped."""
    result: Any = cv2.add(image, noise, dtype=cv2.CV_8U)
    return np.asarray(result, np.uint8)
