"""Damage of prints and film: halftone dots, scratches, creases, dust."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixel_types import Random, UInt8Array, rounded

_FINEST_PX = 2.2  # a finer screen than this falls between the pixels
_GREY = 0.01  # mean channels of a grey image, scratches included, are not farther apart
_SHIFT = 4  # OpenCV draws in sixteenths of a pixel


def halftone(image: UInt8Array, random: Random, *, pitch: float, depth: float) -> UInt8Array:
    """Halftone: dark dots, which grow with darkness until only white dots remain between them.

    Grey images have one screen, of black ink; the others three, turned against each other.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the angle and the softness of the dots.
        pitch: Distance between dots.
        depth: Share of the dots in each pixel, 0 to 1; the rest is the image between them.
    """
    pitch_px = max(_FINEST_PX, pitch * len(image) / 512)
    # Ink spreads and scanners blur: coarse screens show hard dots, fine ones soft waves.
    hardness = random.uniform(1.2, 3.0) * min(1.5, pitch_px / 4)
    angle = np.pi / 4 + random.normal(0, 0.12)
    tones = image.astype(np.float32) / 255
    turns = (0.0,) if np.ptp(tones.mean(axis=(0, 1))) < _GREY else (np.pi / 6, 0.0, -np.pi / 6)
    screens = [_screen(image.shape, pitch_px, angle + turn, random) for turn in turns]
    dots = np.clip(0.5 + hardness * (tones - 0.5 + 0.5 * np.stack(screens, axis=2)), 0, 1)
    # Hard dots steepen the tones; the mean over the image stays that of the image.
    dots += (tones.mean() - dots.mean()) * 0.5
    result = image * np.float32(1 - depth) + dots * np.float32(255 * depth)
    return rounded(result)


def _screen(
    shape: tuple[int, ...], pitch_px: float, angle: float, random: Random
) -> NDArray[np.float32]:
    """Two crossed waves, (h, w) in [-1, 1], of outer products instead of cosines per pixel."""
    frequency = 2 * np.pi / pitch_px
    waves = np.zeros(shape[:2], np.float32)
    for direction in (angle, angle + np.pi / 2):
        x = np.arange(shape[1]) * (frequency * np.cos(direction)) + random.uniform(0, 2 * np.pi)
        y = np.arange(shape[0]) * (frequency * np.sin(direction))
        across, down = np.exp(1j * x).astype(np.complex64), np.exp(1j * y).astype(np.complex64)
        waves += np.outer(down.real, across.real) - np.outer(down.imag, across.imag)
    return np.asarray(waves / 2, np.float32)


def scratches(image: UInt8Array, random: Random, *, count: float, opacity: float) -> UInt8Array:
    """Thin lines, upright as on film or in any direction as on paper, and sometimes a crease.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides place, shape, width and brightness.
        count: Number of them; a fraction is the probability of one more.
        opacity: How much of the image they hide, 0 to 1.
    """
    mask = np.zeros(image.shape[:2], np.uint8)
    scale, upright = len(image) / 512, random.random() < 0.5
    for _ in range(_drawn_count(count, random)):
        crease = random.random() < 0.15
        path_xy = _scratch(image, random, upright=upright and not crease)
        width_px = scale * (random.uniform(2, 5) if crease else random.uniform(0.8, 3))
        # Lines thinner than a pixel are paler instead.
        value = int(255 * min(1.0, width_px) * random.uniform(0.65, 1))
        _draw_line(mask, path_xy, max(1, round(width_px)), value)
    return _covered(image, mask, opacity, _dirt_colour(random, bright=0.8))


def _scratch(image: UInt8Array, random: Random, *, upright: bool) -> NDArray[np.float64]:
    """A wavering line across part of the image, (n, 2) in pixels."""
    height, width = image.shape[:2]
    points = 12
    start = random.uniform(0, 1, 2) * (width, height)
    heading = np.pi / 2 + random.normal(0, 0.03) if upright else random.uniform(0, np.pi)
    length = height * random.uniform(0.15, 1.4)
    turns = random.normal(0, 0.02 if upright else 0.12, points).cumsum() + heading
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * (length / points)
    path = start + steps.cumsum(axis=0)
    return np.asarray(path - (0, length / 2 if upright else 0), np.float64)


def dust(image: UInt8Array, random: Random, *, count: float, opacity: float) -> UInt8Array:
    """Specks, some of them with a tail, and hairs.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides place, shape and brightness.
        count: Number of them; a fraction is the probability of one more.
        opacity: How much of the image they hide, 0 to 1.
    """
    mask = np.zeros(image.shape[:2], np.uint8)
    height, width = image.shape[:2]
    scale = height / 512
    for _ in range(_drawn_count(count, random)):
        place = random.uniform(0, 1, 2) * (width, height)
        value = int(random.uniform(140, 255))
        if random.random() < 0.12:
            turns = random.uniform(0, 2 * np.pi) + random.normal(0, 0.5, 8).cumsum()
            steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * scale * random.uniform(2, 7)
            _draw_line(mask, place + steps.cumsum(axis=0), max(1, round(scale)), value)
            continue
        radii = scale * random.lognormal(0.3, 0.7) * random.uniform(0.6, 1.6, 2)
        shrunk = min(1.0, float(radii.mean()))
        cv2.ellipse(
            mask,
            _sixteenths(place),
            _sixteenths(np.maximum(radii, 0.7)),
            float(random.uniform(0, 180)),
            0,
            360,
            int(value * shrunk),
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )
    return _covered(image, mask, opacity, _dirt_colour(random, bright=0.65))


def _drawn_count(count: float, random: Random) -> int:
    return int(count + random.random())


def _dirt_colour(random: Random, *, bright: float) -> NDArray[np.float32]:
    """The white of paper or light, with a chance of `bright`, or the dark of dirt, (3,)."""
    level = random.uniform(205, 255) if random.random() < bright else random.uniform(0, 55)
    return np.asarray(level + random.uniform(-12, 0, 3), np.float32)


def _draw_line(mask: UInt8Array, path_xy: NDArray[np.float64], width_px: int, value: int) -> None:
    points = np.rint(path_xy * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(mask, [points], False, value, width_px, cv2.LINE_AA, _SHIFT)


def _sixteenths(pair: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(pair[0]) * (1 << _SHIFT)), round(float(pair[1]) * (1 << _SHIFT))


def _covered(
    image: UInt8Array, mask: UInt8Array, opacity: float, colour: NDArray[np.float32]
) -> UInt8Array:
    """The image under a colour where the mask, (h, w) levels, lets none of it through."""
    if not mask.any():
        return image.copy()
    soft: Any = cv2.GaussianBlur(mask, (3, 3), 0.5)
    share = soft[..., None] * np.float32(opacity / 255)
    result = image + share * (colour - image)
    return rounded(result)
