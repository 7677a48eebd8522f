"""Finds what occludes a face by comparing the network's output with the input.

A network that paints a face over a hand or a microphone contradicts its input at a scale that the
input still shows. Damage does not: a blurred, noisy or compressed input is what is left of the
output when that is blurred alike, give or take noise that averages out. So the output is blurred
until it fits the input best, and what then still differs over a coherent area, by much more than
the rest of the face does, is taken for a thing in front of it.

A network that draws such things as they are needs no help, and gets none. Figures:
`benchmarks/finishing.py`.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    levels   float32 in [0, 255], on a grid of GRID × GRID cells over the crop
    mask     (size, size) float32, 1 where something lies in front
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import transforms
from ..images.tones import keep_tint, level_of
from ..types import Crop, FloatArray, Pixels
from .masks import face_mask

#: Cells along the side of a crop. Whatever is smaller than a few of them is a detail, not a thing.
GRID = 128
#: Widths of blur that are tried, in cells.
BLURS = (0.0, 0.7, 1.4, 2.5, 4.0)
#: Differences are averaged over this many cells, as a Gaussian.
COHERENT = 1.5
#: A difference counts beyond this many levels plus this share of the face's contrast,
LEAST_LEVELS, LEAST_SHARE = 2.0, 0.05
#: and beyond this multiple of the median over the face.
TIMES_MEDIAN = 3.5
#: Of that, how much the middle of a thing has to reach, and its rim.
CORE, RIM = 2.2, 0.7
#: The rim of a thing is also this share of the largest difference around, over so many cells.
RIM_OF_LARGEST, AROUND = 0.45, 13
#: Gaps of a thing up to so many cells, where it looks like the face, are closed.
CLOSED = 13
#: Where more of the face differs, the network redrew it all, and nothing is known.
MOST = 0.6
#: Cells over which the mask falls off, beyond its rim.
FEATHER = 1.2


def occlusion_mask(crop: Crop, output: Pixels) -> FloatArray:
    """The mask of what lies in front of a face.

    Args:
        crop: The face as cut out.
        output: What the network made of it, same shape and dtype.

    Returns:
        (size, size), all 0 where nothing is found.
    """
    import cv2

    points_xy = transforms.scale_points(crop.points_xy, GRID / crop.size)
    face = face_mask(GRID, points_xy) > 0.3
    small = transforms.resize(crop.pixels, (GRID, GRID))
    drawn = transforms.resize(output, (GRID, GRID))
    # A network that colours a grey face contradicts it nowhere.
    tinted = keep_tint(drawn, small)
    before, after = (
        pixels.astype(np.float32) / np.float32(level_of(pixels))
        for pixels in (small, drawn if tinted is None else tinted)
    )
    mask = np.zeros((crop.size, crop.size), np.float32)
    if not face.any():
        return mask
    things = _things(_contradiction(before, after, face), face)
    if not things.any() or things[face].mean() > MOST:
        return mask
    soft = cv2.GaussianBlur(things.astype(np.float32), (0, 0), FEATHER)
    # A blurred edge is at one half where the thing ends: from there on it falls off.
    enlarged = cv2.resize(soft, (crop.size, crop.size), interpolation=cv2.INTER_LINEAR)
    result: FloatArray = np.clip(2 * enlarged, 0, 1)
    return result


def _contradiction(before: FloatArray, after: FloatArray, face: NDArray[np.bool_]) -> FloatArray:
    """How much an output contradicts its input, (GRID, GRID); 1 is the least that means anything.

    Args:
        before: The input, (GRID, GRID, 3).
        after: The output.
        face: (GRID, GRID), where the median is taken.
    """
    import cv2

    # A tint of the whole face is no contradiction.
    difference = _best_fit(before, after, face)
    difference -= np.median(difference[face], axis=0)
    smooth = cv2.GaussianBlur(difference, (0, 0), COHERENT)
    size = np.sqrt(np.square(smooth).mean(axis=2))
    luma = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY)[face]
    contrast = float(np.subtract(*np.percentile(luma, (95, 5))))
    least = LEAST_LEVELS + LEAST_SHARE * contrast
    threshold = max(least, TIMES_MEDIAN * float(np.median(size[face])))
    # Opening takes away ridges along edges that the network only moved or sharpened.
    result: FloatArray = cv2.morphologyEx(
        (size / threshold).astype(np.float32), cv2.MORPH_OPEN, _disc(3)
    )
    return result


def _best_fit(before: FloatArray, after: FloatArray, face: NDArray[np.bool_]) -> Any:
    """Input minus the output under the blur that fits best, where few large differences count."""
    import cv2

    fits = []
    for width in BLURS:
        difference = before - (cv2.GaussianBlur(after, (0, 0), width) if width else after)
        luma = cv2.cvtColor(difference, cv2.COLOR_RGB2GRAY)[face]
        fits.append((float(np.minimum(np.abs(luma), 12).mean()), difference))
    return min(fits, key=lambda fit: fit[0])[1]


def _things(contradiction: FloatArray, face: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected areas that contradict, and somewhere in the face by much."""
    import cv2

    around = cv2.dilate(contradiction, _disc(AROUND))
    area = contradiction > np.maximum(RIM, RIM_OF_LARGEST * around)
    closed = cv2.morphologyEx(area.astype(np.uint8), cv2.MORPH_CLOSE, _disc(CLOSED))
    _, labels = cv2.connectedComponents(closed)
    found = np.unique(labels[face & (contradiction > CORE)])
    return np.isin(labels, found[found > 0])


def _disc(cells: int) -> Any:
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (cells, cells))
