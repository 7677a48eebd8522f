"""Tone and colour: grey, sepia, casts, fading, uneven light, and GFPGAN's jitter."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixel_types import Random, UInt8Array, rounded

_LEVELS = np.arange(256, dtype=np.float32)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def grey(image: UInt8Array) -> UInt8Array:
    """The luma (BT.601) of the image, three times."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat(np.asarray(luma, np.uint8)[..., None], 3, axis=2)


def sepia(image: UInt8Array, random: Random, *, strength: float) -> UInt8Array:
    """The browns of an old print: shadows from grey to brown, paper from white to cream.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the brown.
        strength: Share of brown in each pixel, 0 to 1.
    """
    gamma = np.array([random.uniform(0.75, 0.95), 1.0, random.uniform(1.1, 1.5)], np.float32)
    paper = np.array([1.0, random.uniform(0.9, 0.98), random.uniform(0.65, 0.88)], np.float32)
    table = 255 * paper * (_LEVELS[:, None] / 255) ** gamma
    brown = _looked_up(grey(image), table)
    result: Any = cv2.addWeighted(image, 1 - strength, brown, strength, 0)
    return np.asarray(result, np.uint8)


def cast(image: UInt8Array, random: Random, *, strength: float) -> UInt8Array:
    """The wrong white: lamps, aged colour film; each channel scaled and bent by itself.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the colour.
        strength: Largest change of a channel, as a share of its level.
    """
    gains = 1 + strength * random.uniform(-1, 0.3, 3)
    gammas = 1 + strength * random.uniform(-0.5, 0.5, 3)
    return _looked_up(image, 255 * gains * (_LEVELS[:, None] / 255) ** gammas)


def fade(image: UInt8Array, random: Random, *, strength: float) -> UInt8Array:
    """Less contrast: blacks turn grey, whites dull, and the middle tones pale or darken.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the tones.
        strength: At 1, up to half of the contrast is lost.
    """
    black = strength * random.uniform(20, 90)
    white = 255 - strength * random.uniform(0, 50)
    gamma = np.exp(strength * random.uniform(-0.5, 0.35))
    return _looked_up(image, black + (white - black) * (_LEVELS[:, None] / 255) ** gamma)


def uneven_light(image: UInt8Array, random: Random, *, strength: float) -> UInt8Array:
    """Light from one side, or a corner in shadow.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the place and shape of the shadow.
        strength: Share of light lost in its deepest place.
    """
    height, width = image.shape[:2]
    # Light at 4 × 4 places, a plane and a little unrest, enlarged smoothly.
    y, x = np.mgrid[:4, :4] / 3 - 0.5
    angle = random.uniform(0, 2 * np.pi)
    shadow = (
        0.5 + 0.6 * (x * np.cos(angle) + y * np.sin(angle)) + random.uniform(-0.25, 0.25, (4, 4))
    )
    light = (1 - strength * np.clip(shadow, 0, 1)).astype(np.float32)
    field: Any = cv2.resize(light, (width, height), interpolation=cv2.INTER_CUBIC)
    return rounded(image * field[..., None])


def colour_shift(
    image: UInt8Array, random: Random, *, red: float, green: float, blue: float
) -> UInt8Array:
    """Each channel brighter or darker by its own number of levels.

    Source: `color_jitter` of GFPGAN's training code (arXiv 2101.04061).
    """
    signs = random.choice((-1, 1), 3)
    return _looked_up(image, _LEVELS[:, None] + signs * (red, green, blue))


def colour_jitter(
    image: UInt8Array,
    random: Random,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> UInt8Array:
    """Another brightness, contrast, saturation and hue, in random order.

    Source: `color_jitter_pt` of GFPGAN's training code (arXiv 2101.04061).

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides signs and order.
        brightness: Factor minus or plus 1, at most 0.5 there.
        contrast: The same, around the mean luma.
        saturation: Factor below 1 by this much (two times in three) or above 1 by half of it.
        hue: Turn, as a share of the circle, at most 0.1 there.
    """
    signs = random.choice((-1, 1), 3)
    paler = random.random() < 2 / 3
    pixels: NDArray[Any] = image.astype(np.float32)
    for kind in random.permutation(4):
        if kind == 0:
            pixels *= np.float32(1 + signs[0] * brightness)
        elif kind == 1:
            mean = (pixels @ _LUMA).mean()
            pixels = mean + (pixels - mean) * np.float32(1 + signs[1] * contrast)
        elif kind == 2:
            luma = (pixels @ _LUMA)[..., None]
            factor = 1 - saturation if paler else 1 + saturation / 2
            pixels = luma + (pixels - luma) * np.float32(factor)
        else:
            pixels = _turned(pixels, float(signs[2]) * hue)
        pixels = np.clip(pixels, 0, 255)
    return rounded(pixels)


def _turned(pixels: NDArray[np.float32], hue: float) -> NDArray[np.float32]:
    """Float RGB with its hue turned by a share of the circle."""
    hsv: Any = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * hue) % 360
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)


def _looked_up(image: UInt8Array, table: NDArray[Any]) -> UInt8Array:
    """Each level replaced by a row of a table, (256, 1) or (256, 3), rounded and clipped."""
    levels = rounded(np.broadcast_to(table, (256, 3))).reshape(1, 256, 3)
    result: Any = cv2.LUT(image, levels)
    return np.asarray(result, np.uint8)
