"""Images without faces: drawn textures and text, regions of photos, pieces in wrong order."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from .photos import Photo, Picture, as_picture, placing

Random = np.random.Generator


def gradient(rng: Random, size: int) -> Picture:
    """A smooth ramp between two colours, in any direction."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:size, 0:size] / max(1, size - 1) - 0.5
    ramp = (x * math.cos(angle) + y * math.sin(angle) + 0.7) / 1.4
    if rng.random() < 0.4:
        ramp = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
    first, second = rng.integers(0, 256, (2, 3))
    return as_picture(np.clip(first + ramp[..., None] * (second - first), 0, 255))


def cloud(rng: Random, size: int) -> Picture:
    """Noise of several scales: bark, fur, leaves, clouds."""
    total = np.zeros((size, size, 3), np.float32)
    gray = rng.random() < 0.5
    roughness = rng.uniform(0.4, 1.1)
    cells = int(rng.integers(2, 6))
    weight = 1.0
    while cells < size:
        noise = rng.standard_normal((cells, cells, 1 if gray else 3)).astype(np.float32)
        layer = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
        total += weight * layer.reshape(size, size, -1)
        cells, weight = cells * 2, weight * roughness
    total *= rng.uniform(20, 70) / max(1e-3, float(total.std()))
    return as_picture(np.clip(total + rng.integers(40, 216, 3), 0, 255))


def stripes(rng: Random, size: int) -> Picture:
    """Parallel or crossed stripes: blinds, bricks, cloth."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle, period = rng.uniform(0, math.pi), rng.uniform(3, max(4, size / 3))
    wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period)
    if rng.random() < 0.5:
        period *= rng.uniform(0.5, 2)
        wave = wave * np.sin((y * math.cos(angle) - x * math.sin(angle)) * 2 * math.pi / period)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    first, second = rng.integers(0, 256, (2, 3))
    return as_picture(first + (wave[..., None] + 1) / 2 * (second - first))


def lettering(rng: Random, size: int) -> Picture:
    """Lines of random letters and digits."""
    image = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?()@&%8oO0°")
    color = [int(c) for c in rng.integers(0, 256, 3)]
    scale = rng.uniform(0.25, 1.8)
    step = max(6, int(scale * 34))
    font = int(rng.choice([0, 1, 2, 3, 4, 6, 7]))
    for y in range(step, size + step, step):
        text = "".join(rng.choice(letters, int(rng.integers(3, 20))))
        at = (int(rng.integers(-20, max(1, size // 3))), y)
        cv2.putText(image, text, at, font, scale, color, int(rng.integers(1, 4)), cv2.LINE_AA)
    return image


def shapes(rng: Random, size: int) -> Picture:
    """Discs, boxes and lines over each other; some discs hold dots without the order of a face."""
    image = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(int(rng.integers(3, 24))):
        color = [int(c) for c in rng.integers(0, 256, 3)]
        x, y = (int(v) for v in rng.integers(0, size, 2))
        a, b = (int(v) for v in rng.integers(2, max(4, size // 3), 2))
        fill = -1 if rng.random() < 0.7 else int(rng.integers(1, 4))
        kind = rng.random()
        if kind < 0.5:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(image, (x, y), (a, b), turn, 0, 360, color, fill, cv2.LINE_AA)
            for _ in range(int(rng.integers(0, 4))):
                dot = (x + int(rng.integers(-a, a)), y + int(rng.integers(-b, b)))
                radius = max(1, a // int(rng.integers(4, 10)))
                cv2.circle(image, dot, radius, [255 - c for c in color], -1, cv2.LINE_AA)
        elif kind < 0.8:
            cv2.rectangle(image, (x, y), (x + a, y + b), color, fill)
        else:
            cv2.line(image, (x, y), (x + 3 * a, y - 2 * b), color, abs(fill) + 1, cv2.LINE_AA)
    return image


def fractal(rng: Random, size: int) -> Picture:
    """A part of the border of the Mandelbrot set or of a Julia set, in cyclic colours."""
    border = rng.uniform(0, 2 * math.pi)
    on_cardioid = np.exp(1j * border) / 2 - np.exp(2j * border) / 4
    reach = 10 ** rng.uniform(-2.5, 0.2)
    y, x = (np.mgrid[0:size, 0:size] / max(1, size - 1) - 0.5) * 2 * reach
    plane = x + 1j * y
    is_julia = rng.random() < 0.3
    z = plane * (1.5 / reach) if is_julia else np.zeros_like(plane)
    c = np.full_like(plane, on_cardioid * 1.03) if is_julia else plane + on_cardioid
    escape = np.zeros(plane.shape, np.float64)
    for step in range(1, 80):
        inside = np.abs(z) < 4
        z[inside] = z[inside] ** 2 + c[inside]
        escape[inside] = step
    phase = np.sqrt(escape)[..., None] * rng.uniform(0.5, 2) + rng.uniform(0, 6, 3)
    colours = 127.5 + 127.5 * np.sin(phase)
    return as_picture(np.where((escape == 79)[..., None], 0, colours))


def shuffled(rng: Random, photo: Photo, size: int) -> Picture:
    """A photo cut into pieces that are turned and put together in the wrong order."""
    pieces = int(rng.integers(3, 6))
    side = math.ceil(size / pieces)
    small = cv2.resize(photo.levels[1], (side * pieces, side * pieces))
    blocks = small.reshape(pieces, side, pieces, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    order = rng.permutation(len(blocks))
    turned = [np.rot90(blocks[n], int(rng.integers(4))) for n in order]
    rows = [np.hstack(turned[n : n + pieces]) for n in range(0, len(turned), pieces)]
    return np.ascontiguousarray(np.vstack(rows)[:size, :size])


TEXTURES: tuple[Callable[[Random, int], Picture], ...] = (
    gradient,
    cloud,
    stripes,
    lettering,
    shapes,
    fractal,
)


def texture(rng: Random, size: int) -> Picture:
    """A drawn image without faces, (size, size, 3)."""
    return TEXTURES[int(rng.integers(len(TEXTURES)))](rng, size)


def faceless_region(rng: Random, photo: Photo, size: int) -> Picture | None:
    """A square of a photo away from every label, turned and scaled; None where none was found."""
    height, width = photo.levels[0].shape[:2]
    for _ in range(6):
        side = float(np.exp(rng.uniform(math.log(12), math.log(max(16, min(width, height))))))
        middle = rng.uniform(
            [side / 2, side / 2],
            [max(width - side / 2, side / 2 + 1), max(height - side / 2, side / 2 + 1)],
        )
        if photo.faceless(np.concatenate([middle - side / 2, middle + side / 2])):
            matrix = placing(
                middle,
                size / side / 1.0,
                float(rng.integers(4)) * math.pi / 2,
                np.array([(size - 1) / 2] * 2),
            )
            return photo.warp(
                matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
    return None
