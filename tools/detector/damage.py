"""Damage: what blurs, shrinks, discolours, covers and compresses faces in real photos."""

from __future__ import annotations

import cv2
import numpy as np

from gpen.types import Float64Array

from .photos import Picture, as_picture

Random = np.random.Generator

_NOISE = np.random.default_rng(0).standard_normal((512, 512, 3)).astype(np.float32)


def damage(rng: Random, image: Picture, face_px: float) -> Picture:
    """The degradations of the published recipe and a few that old photos have, at random.

    Args:
        rng: Source of chance.
        image: uint8 RGB.
        face_px: Size of its smallest face in pixels; blur and shrinking leave that recognisable.
    """
    image = soften(rng, image, face_px)
    if rng.random() < 0.6:
        image = recolor(rng, image)
    if rng.random() < 0.25:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = np.repeat(gray[..., None], 3, axis=2)
        if rng.random() < 0.2:  # sepia
            tint = np.array([1.0, rng.uniform(0.8, 0.95), rng.uniform(0.6, 0.85)])
            image = (image * tint).astype(np.uint8)
    if rng.random() < 0.55:
        image = add_noise(rng, image, rng.uniform(1, 20))
    if rng.random() < 0.6:
        quality = int(rng.uniform(30, 96))
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = as_picture(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return image


def soften(rng: Random, image: Picture, face_px: float) -> Picture:
    """Blur, or shrink and enlarge again, within what a face of `face_px` survives."""
    if rng.random() < 0.35:
        sigma = rng.uniform(0.2, min(6.0, max(0.5, 0.06 * face_px)))
        other = sigma if rng.random() < 0.6 else sigma * rng.uniform(0.2, 1)
        image = as_picture(cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=other))
    if rng.random() < 0.3:
        factor = rng.uniform(1, min(8.0, max(1.2, face_px / 12)))
        height, width = image.shape[:2]
        small_wh = (max(2, round(width / factor)), max(2, round(height / factor)))
        small = cv2.resize(image, small_wh, interpolation=int(rng.choice([1, 2, 3])))
        if rng.random() < 0.5:
            small = add_noise(rng, as_picture(small), rng.uniform(1, 15))
        enlarged = cv2.resize(small, (width, height), interpolation=int(rng.choice([1, 2])))
        image = as_picture(enlarged)
    return image


def recolor(rng: Random, image: Picture) -> Picture:
    """Another brightness, contrast, gamma and white balance."""
    level = np.arange(256) / 255
    gamma, gain, offset = rng.uniform(0.6, 1.6), rng.uniform(0.6, 1.3), rng.uniform(-0.1, 0.15)
    gains = gain * rng.uniform(0.85, 1.15, 3) if rng.random() < 0.5 else np.full(3, gain)
    tables = np.clip(255 * (level[:, None] ** gamma * gains + offset), 0, 255).astype(np.uint8)
    return as_picture(cv2.LUT(image, tables.reshape(1, 256, 3)))


def add_noise(rng: Random, image: Picture, sigma: float) -> Picture:
    """Gaussian noise, of colour or of brightness."""
    height, width = image.shape[:2]
    bank = _NOISE.shape[0]
    if height > bank or width > bank:
        noise = rng.standard_normal((height, width, 3), np.float32)
    else:
        y, x = int(rng.integers(bank - height + 1)), int(rng.integers(bank - width + 1))
        noise = _NOISE[y : y + height, x : x + width]
    if rng.random() < 0.4:
        noise = np.repeat(noise[..., :1], 3, axis=2)
    return as_picture(cv2.add(image, noise * np.float32(sigma), dtype=cv2.CV_8U))


def occlude(rng: Random, image: Picture, points_xy: Float64Array, size: float) -> None:
    """Cover part of a face, in place: a hand, a bar over the eyes, a mask, a scratch."""
    color = [int(c) for c in rng.integers(0, 256, 3)]
    kind = rng.random()
    if kind < 0.5:
        middle = points_xy[int(rng.integers(5))] + rng.normal(0, 0.25 * size, 2)
        axes = np.maximum(1, rng.uniform(0.08, 0.3, 2) * size).astype(int)
        at = (int(middle[0]), int(middle[1]))
        if rng.random() < 0.5:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(image, at, (int(axes[0]), int(axes[1])), turn, 0, 360, color, -1)
        else:
            corner = (at[0] + int(axes[0]), at[1] + int(axes[1]))
            cv2.rectangle(image, at, corner, color, -1)
    elif kind < 0.7:
        pair = points_xy[:2] if rng.random() < 0.6 else points_xy[3:]
        along = (pair[1] - pair[0]) * rng.uniform(0.1, 0.4)
        start, end = (pair[0] - along).astype(int), (pair[1] + along).astype(int)
        thickness = max(1, int(size * rng.uniform(0.08, 0.25)))
        cv2.line(image, tuple(map(int, start)), tuple(map(int, end)), color, thickness)
    else:
        for _ in range(int(rng.integers(1, 4))):
            ends = points_xy.mean(axis=0) + rng.normal(0, 0.6 * size, (2, 2))
            thickness = max(1, int(size * rng.uniform(0.01, 0.06)))
            start, end = (tuple(map(int, e)) for e in ends)
            cv2.line(image, start, end, color, thickness, cv2.LINE_AA)
