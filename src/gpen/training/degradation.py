"""Damages sharp faces the way GPEN's training does, and more lightly now and then.

Source of the ranges: the published training code of GPEN (arXiv 2105.06070).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Damage:
    """Ranges that a degradation is drawn from.

    Attributes:
        grey: Share of faces turned grey, their truth too.
        light: Share damaged over the lower third of every range only, so that a network learns
            to leave a good face as it is.
        sigma: Widths of the Gaussian blur, in pixels of a 512 px face.
        shrink: Factors of the bilinear downsampling.
        noise: Strengths of the Gaussian noise, in levels.
        quality: JPEG qualities.
    """

    grey: float = 0.2
    light: float = 0.2
    sigma: tuple[float, float] = (0.1, 10.0)
    shrink: tuple[float, float] = (0.8, 8.0)
    noise: tuple[float, float] = (0.0, 20.0)
    quality: tuple[float, float] = (60.0, 100.0)


def degrade(
    face: UInt8Array, random: np.random.Generator, damage: Damage | None = None
) -> tuple[UInt8Array, UInt8Array]:
    """Draw a degradation: blur, downsampling, noise, JPEG, and back to the size.

    Args:
        face: RGB, (S, S, 3). Blur scales with S, so a face is damaged alike at every size.
        random: Where all choices come from.
        damage: What to draw from.

    Returns:
        The degraded face and its truth, which is grey where the degraded one is.
    """
    small, truth = shrink_and_damage(face, random, damage)
    size = face.shape[:2]
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8), truth


def shrink_and_damage(
    face: UInt8Array, random: np.random.Generator, damage: Damage | None = None
) -> tuple[UInt8Array, UInt8Array]:
    """What `degrade` does, but for the way back to the size: (s, s, 3) and (S, S, 3)."""
    damage = damage or Damage()
    size = face.shape[0]
    if random.random() < damage.grey:
        gray = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
        face = np.repeat(np.asarray(gray, np.uint8)[..., None], 3, axis=2)
    reach = 1 / 3 if random.random() < damage.light else 1.0

    def draw(limits: tuple[float, float]) -> float:
        """A value of the range, counted from its harmless end."""
        return float(limits[0] + (limits[1] - limits[0]) * reach * random.random())

    sigmas = draw(damage.sigma) * size / 512, draw(damage.sigma) * size / 512
    if random.random() < 0.5:
        sigmas = sigmas[0], sigmas[0]
    taps = max(3, 41 * size // 512 | 1)
    kernel = _gaussian(taps, *sigmas, angle=random.uniform(0, np.pi))
    image = cv2.filter2D(face, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    small = max(4, round(size / draw(damage.shrink)))
    image = cv2.resize(image, (small, small), interpolation=cv2.INTER_LINEAR)
    noise = random.standard_normal(image.shape, np.float32) * draw(damage.noise)
    image = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    quality = round(damage.quality[1] - draw((0.0, damage.quality[1] - damage.quality[0])))
    _, code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(image), face


def _gaussian(taps: int, along: float, across: float, angle: float) -> NDArray[np.float32]:
    """An anisotropic Gaussian kernel, turned by an angle, summing to 1."""
    y, x = np.mgrid[:taps, :taps] - taps // 2
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    # Below a third of a pixel the sampled kernel is a single tap; the floor avoids 0 / 0.
    exponent = (u / max(along, 0.1)) ** 2 + (v / max(across, 0.1)) ** 2
    kernel = np.exp(-exponent / 2)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
