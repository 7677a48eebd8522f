"""An image pyramid: faces are searched and cut at the smallest sufficient resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...images import transforms
from ...types import Float64Array
from .letterbox import MOST_PIXELS
from .refinement_crops import CROP_SIZE, inverses

#: Faces are searched in copies each this many times smaller than the one before.
STEP = 4
#: Longer side of the smallest copy that is searched, at most.
COARSEST_SIDE = 160
#: Images with fewer pixels are searched enlarged twice: their faces are tiny.
ENLARGE_BELOW = 160_000
#: Halving is four times as fast as other factors, so that a little less than 4 × the limit will do.
NEARLY_FOUR = 3.5
#: A crop is cut from the smallest copy with this share of its resolution, as in training.
SHARP_ENOUGH = 2**-0.3
#: Pixels beyond the outermost sample that a bicubic kernel reads, rounding included.
KERNEL_MARGIN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One copy of an image.

    Attributes:
        pixels: (height, width, 3).
        scale: Its pixels per pixel of the image.
    """

    pixels: NDArray[np.uint8]
    scale: float

    @property
    def count(self) -> int:
        return self.pixels.size // 3

    @property
    def longer_side(self) -> int:
        return max(len(self.pixels), len(self.pixels[0]))

    def halved(self) -> Level:
        """A copy of half the size; an odd row or column at the end is left out."""
        height, width = (max(1, side // 2) for side in self.pixels.shape[:2])
        even = self.pixels[: 2 * height, : 2 * width]
        return Level(transforms.resize(even, (width, height)), self.scale / 2)

    def resized(self, factor: float) -> Level:
        """A copy of another size, to the nearest pixel."""
        height, width = (max(1, round(side * factor)) for side in self.pixels.shape[:2])
        return Level(transforms.resize(self.pixels, (width, height)), self.scale * factor)


class Pyramid:
    """An image and its copies, largest first, no one less than half as large as the one before.

    Attributes:
        searched: The copies in which faces are searched, finest first. The finest has at most
            `letterbox.MOST_PIXELS`; that of a tiny image is larger than the image.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Make the copies of an image, (height, width, 3)."""
        levels = [Level(pixels, 1.0)]
        while levels[-1].count >= NEARLY_FOUR * MOST_PIXELS:
            levels.append(levels[-1].halved())
        if levels[-1].count > MOST_PIXELS:
            levels.append(levels[-1].resized(math.sqrt(MOST_PIXELS / levels[-1].count)))
        last = levels[-1]
        self.searched = [last.resized(2) if last.count < ENLARGE_BELOW else last]
        while (finer := self.searched[-1]).longer_side > COARSEST_SIDE:
            while levels[-1].scale > finer.scale / STEP:
                levels.append(levels[-1].halved())
            self.searched.append(levels[-1])
        self._levels = levels
        self._scales = np.array([level.scale for level in levels])

    def with_at_most(self, pixels: int) -> Level:
        """The largest copy with at most so many pixels; there is none smaller than 1 × 1."""
        for level in (self.searched[0], *self._levels):
            if level.count <= pixels:
                return level
        while level.count > pixels:
            level = level.halved()
        return level

    def cut(self, crop_from_image: Float64Array) -> NDArray[np.uint8]:
        """Cut out crops; beyond the border, the image's outermost pixels are repeated.

        Args:
            crop_from_image: (N, 2, 3), similarity transforms.

        Returns:
            (N, CROP_SIZE, CROP_SIZE, 3).
        """
        scales = np.hypot(crop_from_image[:, 0, 0], crop_from_image[:, 1, 0])
        chosen = (self._scales >= SHARP_ENOUGH * scales[:, None]).sum(axis=1).clip(1) - 1
        level_from_crop = _in_level(inverses(crop_from_image), self._scales[chosen])
        sizes_wh = np.array([level.pixels.shape[1::-1] for level in self._levels])[chosen]
        low, high = _footprints(level_from_crop, sizes_wh)
        level_from_crop[:, :, 2] -= low
        smooth = np.where(scales > self._scales[chosen], cv2.INTER_CUBIC, cv2.INTER_LINEAR)
        crops = np.empty((len(scales), CROP_SIZE, CROP_SIZE, 3), np.uint8)
        for n, crop in enumerate(crops):
            (left, top), (right, bottom) = low[n], high[n]
            cv2.warpAffine(
                self._levels[chosen[n]].pixels[top:bottom, left:right],
                level_from_crop[n],
                (CROP_SIZE, CROP_SIZE),
                dst=crop,
                flags=int(smooth[n]) | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        return crops


def _in_level(image_from_crop: Float64Array, scales: Float64Array) -> Float64Array:
    """Transforms (N, 2, 3) followed by those from an image to its copies of these scales (N,)."""
    level_from_crop = image_from_crop * scales[:, None, None]
    level_from_crop[:, :, 2] += (scales[:, None] - 1) / 2
    return level_from_crop


def _footprints(
    level_from_crop: Float64Array, sizes_wh: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The parts of copies that crops show, (x, y) of the first pixel and past the last, (N, 2).

    OpenCV gets no more than these: it takes no images of more than 32,767 pixels a side.
    """
    far = CROP_SIZE - 1
    corners = np.array([[0, far, 0, far], [0, 0, far, far], [1, 1, 1, 1]])
    shown = level_from_crop @ corners  # (N, 2, 4)
    low = np.clip(np.floor(shown.min(axis=2)) - KERNEL_MARGIN, 0, sizes_wh - 1)
    high = np.clip(np.ceil(shown.max(axis=2)) + KERNEL_MARGIN, low + 1, sizes_wh)
    return low.astype(np.intp), high.astype(np.intp)
