"""Film grain: measures how much the input has and the output lacks, and adds it.

The strength is measured in octave bands and in three channels among which the noise of a sensor is
independent: the sum of R, G and B, and two differences. Grain is the energy that the calmer cells
of the face have in the input and not in the output; edges and pores count little there. What the
same measure says of white noise turns energies into strengths, so that no band needs a constant.

Convention:
    pixels     uint8 or uint16 RGB, shape (size, size, 3)
    levels     float32, from 0 to 255 for both
    opponents  levels in OPPONENTS, shape (height, width, 3)
    bands      octaves, the finest first: steps of a Laplacian pyramid (Burt & Adelson, 1983)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..images import transforms
from ..images.tones import level_of
from ..types import Crop, Float64Array, FloatArray, Pixels
from .masks import face_mask

BANDS = 4
#: Pixels along the side of the cells whose energies are compared; a multiple of 2 ** BANDS.
CELL = 16
#: The share of cells that is calmer, or lacks less, than the one that tells the grain.
CALM = 0.25
#: Cells along the sides of what is measured, around the middle of the face.
MOST_CELLS = 16
#: Grain up to so many levels in a pixel of the image is none; twice as much counts in full.
LEAST = 1.0
#: Coarse bands hold between so many times the strength of the finest that the image resolves:
#: grain is white, or softened by enlargement, while coarse differences may be anything.
LEAST_COARSE, MOST_COARSE = 0.6, 1.5
#: Shadows have at most this many times the grain of the lights, and the other way round.
MOST_UNEVEN = 2.0
#: Lights and shadows closer than this many levels say nothing about how grain follows light.
LEAST_SPAN = 12.0
#: Side of the field that grain is cut from, and how much larger than a crop it is at least.
FIELD, SPARE = 1024, 256
#: Side of the field on which bands are compared, and steps of a solution.
TRIAL, STEPS = 256, 3
#: Sum and differences of R, G and B, orthonormal.
OPPONENTS = np.array(
    [[1, 1, 1], [1, 0, -1], [1, -2, 1]] / np.sqrt([[3], [2], [6]]), dtype=np.float32
)


@dataclass(frozen=True, slots=True, eq=False)
class Grain:
    """Strength of grain.

    Attributes:
        strength: (3, BANDS), by opponent and band: what white noise of one level is to be
            multiplied with there.
        slope: How the strength grows with luma, as a share per level;
        middle: it is as given at this luma, in levels.
    """

    strength: FloatArray
    slope: float = 0.0
    middle: float = 0.0


def measure_grain(crop: Crop, output: Pixels) -> Grain | None:
    """The grain that an output lacks, or None where it lacks none.

    Args:
        crop: The face as cut out.
        output: What the network made of it, same shape and dtype.
    """
    window, calm = _middle(crop)
    if np.count_nonzero(calm) < 4:
        return None
    shown, answered = (_opponents(pixels[window]) for pixels in (crop.pixels, output))
    inputs, outputs = (_energies(part)[calm] for part in (shown, answered))
    enlarged = max(1.0, transforms.scale_of(crop.crop_from_image))
    finest = min(BANDS, round(math.log2(enlarged)) + 1)  # bands down to a pixel of the image
    strength = _plausible(inputs, outputs, enlarged, finest)
    if not strength.any():
        return None
    luma = transforms.resize(shown[..., 0], calm.shape[::-1])[calm] / np.float32(math.sqrt(3))
    return Grain(strength, _slope(luma, inputs, outputs, finest), float(np.median(luma)))


def _middle(crop: Crop) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The pixels of a window of cells in the middle of the face, and which cells are face."""
    cells = crop.size // CELL
    if cells < 2:
        return (slice(0), slice(0)), np.zeros((0, 0), np.bool_)
    points_xy = transforms.scale_points(crop.points_xy, 1 / CELL)
    face = face_mask(cells, points_xy) > 0.5
    length = min(cells, MOST_CELLS)
    left, top = (
        int(np.clip(round(middle - length / 2), 0, cells - length))
        for middle in points_xy.mean(axis=0)
    )
    pixels = tuple(slice(at * CELL, (at + length) * CELL) for at in (top, left))
    return (pixels[0], pixels[1]), face[top : top + length, left : left + length]


def _lacking(inputs: FloatArray, outputs: FloatArray) -> FloatArray:
    """Energy that the input has and the output lacks, (3, channels, BANDS): three accounts of it.

    The first is the least: a low quantile of what calm cells lack, each compared with itself. Grain
    is everywhere, while edges that became softer are in some cells only. The second is the median
    of the same. The third compares the calm cells of the input with those of the output, whichever
    these are: where an output is sharper than its input, only that sees the grain of smooth skin.

    Args:
        inputs: (cells, channels, BANDS).
        outputs: The same shape.
    """
    count = len(inputs)
    calm = np.argsort(inputs, axis=0, kind="stable")[: math.ceil(count / 2)]
    paired = np.sort(np.take_along_axis(inputs - outputs, calm, axis=0), axis=0)
    rank = int(CALM * count)
    unpaired = np.sort(inputs, axis=0)[rank] - np.sort(outputs, axis=0)[rank]
    accounts = [paired[int(CALM * len(paired))], paired[len(paired) // 2], unpaired]
    return np.asarray(np.maximum(accounts, 0), np.float32)


def _plausible(inputs: FloatArray, outputs: FloatArray, enlarged: float, finest: int) -> FloatArray:
    """Strengths of what can be grain, (3, BANDS)."""
    least, median, unpaired = np.sqrt(_lacking(inputs, outputs) / _white_energy())
    # Noise of one pixel is spread over more where these are enlarged: its energy lies in fewer,
    # coarser waves. One channel is evidence for all: no network sharpens what is only colour.
    evidence = least[:, :finest].max()
    unit = np.float32(LEAST * enlarged)
    fine = np.minimum(np.maximum(median, unpaired)[:, :finest], MOST_COARSE * evidence)
    non_max_suppression = fine.max(axis=1, keepdims=True)
    strength = np.clip(
        median, LEAST_COARSE * non_max_suppression, MOST_COARSE * non_max_suppression
    )
    strength[:, :finest] = fine
    # Fading in keeps the grain of a video from coming and going.
    strength *= np.clip(evidence / unit - 1, 0, 1) * np.clip(non_max_suppression / unit - 1, 0, 1)
    return np.stack([_without_skirts(channel) for channel in strength])


def _without_skirts(measured: FloatArray) -> FloatArray:
    """Strengths of bands that, added up, are measured as these; (BANDS,) both.

    Bands overlap, so that one without grain shows some of its neighbour's. The energy of each is a
    quadratic form of all strengths; a few damped steps towards the right energies come close.
    """
    overlap = _overlap()
    white = overlap.sum(axis=(1, 2))
    strength = measured.astype(np.float64)
    for _ in range(STEPS):
        energy = np.einsum("jkl,k,l->j", overlap, strength, strength) / white
        strength *= np.sqrt(measured / np.sqrt(np.maximum(energy, 1e-12)))
    return strength.astype(np.float32)


@lru_cache(maxsize=1)
def _overlap() -> Float64Array:
    """Mean product of any two bands of white noise in what a third band shows of both."""
    field = _field(TRIAL)
    shown = [_bands(band) for band in field]
    products = [
        [[float((a[j] * b[j]).mean(dtype=np.float64)) for a in shown] for b in shown]
        for j in range(BANDS)
    ]
    return np.array(products)


def _slope(luma: FloatArray, inputs: FloatArray, outputs: FloatArray, finest: int) -> float:
    """Share per level by which grain grows from the darker to the brighter half of the cells."""
    bright = luma >= np.median(luma)
    if bright.all():
        return 0.0
    span = float(np.median(luma[bright]) - np.median(luma[~bright]))
    shadow, light = (
        math.sqrt(_lacking(inputs[half], outputs[half])[1, 0, :finest].sum())
        for half in (~bright, bright)
    )
    if span < LEAST_SPAN or shadow + light == 0:
        return 0.0
    return 2 * (light - shadow) / (light + shadow) / span


def add_grain(pixels: Pixels, grain: Grain, seed: int) -> Pixels:
    """An image with grain, always the same for the same seed.

    Args:
        pixels: (size, size, 3).
        grain: How much.
        seed: 0 or more; neighbouring frames have different ones.
    """
    import cv2

    size = pixels.shape[0]
    random = np.random.default_rng(seed)
    field = _field(max(FIELD, size + SPARE))
    gain = _gain(pixels, grain)
    planes = []
    for strengths in grain.strength:
        left, top = random.integers(0, field.shape[1] - size + 1, 2)
        plane = np.zeros((size, size), np.float32)
        for band in np.flatnonzero(strengths):
            cut = field[band, top : top + size, left : left + size]
            cv2.scaleAdd(cut, float(strengths[band]), plane, plane)
        planes.append(plane if gain is None else cv2.multiply(plane, gain, plane))
    rgb_from_opponents = OPPONENTS.T * np.float32(level_of(pixels))
    noise = cv2.transform(cv2.merge(planes), rgb_from_opponents)
    # Rounds and clips.
    depth = cv2.CV_8U if pixels.dtype == np.uint8 else cv2.CV_16U
    return cast("Pixels", cv2.add(pixels, noise, dtype=depth))


def _gain(pixels: Pixels, grain: Grain) -> FloatArray | None:
    """How grain follows light, (size, size); None where it does not."""
    import cv2

    if not grain.slope:
        return None
    size = pixels.shape[0]
    # By regions: the brightness of a region, not of a pixel.
    coarse = transforms.resize(pixels, (size // 4, size // 4))
    luma = cv2.cvtColor(coarse, cv2.COLOR_RGB2GRAY) / np.float32(level_of(pixels))
    gain = 1 + np.float32(grain.slope) * (luma - np.float32(grain.middle))
    even = np.clip(gain, 1 / MOST_UNEVEN, MOST_UNEVEN)
    result: FloatArray = cv2.resize(even, (size, size), interpolation=cv2.INTER_LINEAR)
    return result


def _opponents(pixels: Any) -> FloatArray:
    import cv2

    levels: FloatArray = pixels.astype(np.float32) / np.float32(level_of(pixels))
    return cast("FloatArray", cv2.transform(levels, OPPONENTS))


def _bands(opponents: FloatArray) -> list[FloatArray]:
    """Each at its own resolution, halved from one to the next; sides are multiples of CELL."""
    import cv2

    bands: list[FloatArray] = []
    level: Any = opponents
    for _ in range(BANDS):
        coarser = cv2.pyrDown(level)
        bands.append(level - cv2.pyrUp(coarser))
        level = coarser
    return bands


def _energies(opponents: FloatArray) -> FloatArray:
    """Mean square of every band by cell: (rows, columns, 3, BANDS)."""
    import cv2

    size_wh = opponents.shape[1] // CELL, opponents.shape[0] // CELL
    energies: list[Any] = [
        cv2.resize(np.square(band), size_wh, interpolation=cv2.INTER_AREA).reshape(
            size_wh[1], size_wh[0], -1
        )
        for band in _bands(opponents)
    ]
    return np.stack(energies, axis=-1)


@lru_cache(maxsize=1)
def _white_energy() -> FloatArray:
    """What `_lacking` says of white noise of one level, (3, 1, BANDS)."""
    white = np.random.default_rng(0).standard_normal((512, 512), np.float32)
    energies = _energies(white).reshape(-1, 1, BANDS)
    return _lacking(energies, np.zeros_like(energies))


@lru_cache(maxsize=2)
def _field(side: int) -> FloatArray:
    """The bands of white noise at full resolution, (BANDS, side, side)."""
    import cv2

    side = -(-side // CELL) * CELL
    white = np.random.default_rng(1).standard_normal((side, side), np.float32)
    full = []
    for number, band in enumerate(_bands(white)):
        enlarged: Any = band
        for _ in range(number):
            enlarged = cv2.pyrUp(enlarged)
        full.append(enlarged)
    return np.stack(full)
