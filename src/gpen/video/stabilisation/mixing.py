"""Averages motion-compensated crops of a face without losing sharpness.

- Luma is carried by cubics, which keep its detail.
- Colour is mixed at half the size, as films store it; what is finer than that is kept by the
  image's own share, as a mean of unlike detail would.
- A mean of details that differ is softer than each. The finest band is raised again until the whole
  is as sharp as it was.

Convention:
    pixels   uint8 or uint16 RGB, (size, size, 3)
    planes   float32 in levels 0 to 255, (size, size): luma, Cr, Cb
    halves   Cr and Cb of half the side
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...types import FloatArray, Pixels
from .motion import SIDE, grid, resized

#: The finest band: what a Gaussian of this many pixels takes away, in crops of 256.
FINE = 1.0
#: Sharpness is compared over regions of this share of a crop.
REGIONS = 32
#: The finest band is raised by no more than this share of itself.
MOST_RAISED = 1.0
#: Mean squared Laplacian below which there is nothing to raise.
EMPTY = 1.0


#: cv2 takes a map of positions in one array; its second is then empty.
_NO_MAP: Any = None


class Scratch:
    """Arrays to reuse: allocating memory takes longer than the arithmetic."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, int], Any] = {}

    def resized(self, name: str, image: FloatArray, side: int) -> FloatArray:
        """A smaller image enlarged; the next call with this name and size overwrites it."""
        import cv2

        key = name, side
        array: Any = cv2.resize(image, (side, side), self._arrays.get(key))
        self._arrays[key] = array
        return array  # type: ignore[no-any-return]

    def positions(self, flow: FloatArray, side: int) -> tuple[Any, Any]:
        """Position of each pixel in the other frame, for `carried`."""
        import cv2

        where = self.resized("flow", flow, side)
        where *= np.float32(side / SIDE)
        where += grid(side)
        whole, part = self._arrays.get(("positions", side), (None, None))
        maps: Any = cv2.convertMaps(where, _NO_MAP, cv2.CV_16SC2, whole, part)
        self._arrays["positions", side] = maps
        return maps  # type: ignore[no-any-return]

    def carried(self, image: FloatArray, positions: tuple[Any, Any], kernel: int) -> FloatArray:
        """An image of the other frame, warped to this one."""
        import cv2

        key = "carried", image.shape[0]
        array: Any = cv2.remap(
            image, *positions, kernel, self._arrays.get(key), cv2.BORDER_REPLICATE
        )
        self._arrays[key] = array
        return array  # type: ignore[no-any-return]


class Mix:
    """A frame into which others are mixed.

    Args:
        planes: Of the image.
        halves: Its colours at half the size.
        own: Its share, of any size; all shares add up to one.
        scratch: For one thread at a time.
    """

    def __init__(
        self,
        planes: Sequence[FloatArray],
        halves: Sequence[FloatArray],
        own: FloatArray,
        scratch: Scratch,
    ) -> None:
        self._planes, self._own, self._scratch = planes, own, scratch
        self._before = [planes[0], *halves]
        self._after = [plane.copy() for plane in self._before]

    def add(
        self,
        others: Sequence[FloatArray],
        flow: FloatArray,
        share: FloatArray,
        light: FloatArray,
    ) -> None:
        """Mix in another image.

        Args:
            others: Luma and halves of the other image.
            flow: From this image to the other, see `gpen.video.stabilisation.motion`.
            share: Of the other image, of any size.
            light: Added to it, (cells, cells, 3): luma, Cr, Cb.
        """
        import cv2

        for k, other in enumerate(others):
            if k < 2:
                where = self._scratch.positions(flow, other.shape[0])
                weight = self._scratch.resized("weight", share, other.shape[0])
            kernel = cv2.INTER_LINEAR if k else cv2.INTER_CUBIC
            off = self._scratch.carried(other, where, kernel)
            off -= self._before[k]
            off += self._scratch.resized("light", light[..., k].copy(), other.shape[0])
            off *= weight
            self._after[k] += off

    def planes(self) -> list[FloatArray]:
        """The result, as planes."""
        side = self._planes[0].shape[0]
        own = resized(self._own, side)
        result = [_sharpened(self._after[0], self._planes[0])]
        for plane, before, after in zip(
            self._planes[1:], self._before[1:], self._after[1:], strict=True
        ):
            color = plane - _doubled(before, side)
            color *= own
            color += _doubled(after, side)
            result.append(color)
        return result


def _doubled(half: FloatArray, side: int) -> FloatArray:
    import cv2

    plane: Any = cv2.resize(half, (side, side), interpolation=cv2.INTER_CUBIC)
    return plane  # type: ignore[no-any-return]


def _sharpened(mixed: FloatArray, output: FloatArray) -> FloatArray:
    """The mixed luma with its finest band raised until it is as sharp, region by region.

    Sharp is the mean square of the Laplacian L: the gain g solves
    mean L(mixed + g · fine)² = mean L(output)².
    """
    import cv2

    sigma = FINE * max(1.0, mixed.shape[0] / 256)
    fine: Any = mixed - cv2.GaussianBlur(mixed, (0, 0), sigma)
    have, more, wanted = (cv2.Laplacian(plane, cv2.CV_32F) for plane in (mixed, fine, output))
    square, both = _regions(more * more) + np.float32(EMPTY), _regions(have * more)
    lack = _regions(wanted * wanted - have * have)
    gain = (np.sqrt(np.maximum(both * both + square * lack, 0)) - both) / square
    fine *= resized(np.clip(gain, 0, MOST_RAISED), mixed.shape[0])
    fine += mixed
    return fine  # type: ignore[no-any-return]


def _regions(plane: Any) -> FloatArray:
    """Means, (REGIONS, REGIONS)."""
    import cv2

    means: Any = cv2.GaussianBlur(resized(plane, REGIONS), (0, 0), 0.7)
    return means  # type: ignore[no-any-return]


def planes_of(pixels: Pixels) -> FloatArray:
    """Luma, Cr, Cb in levels, (side, side, 3)."""
    import cv2

    values = pixels.astype(np.float32)
    if pixels.dtype == np.uint16:
        values *= np.float32(1 / 257)
    planes: Any = cv2.cvtColor(values, cv2.COLOR_RGB2YCrCb)
    return planes  # type: ignore[no-any-return]


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """Pixels at a smaller size, of the same dtype."""
    import cv2

    small: Any = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return small  # type: ignore[no-any-return]


def pixels_of(planes: Sequence[FloatArray], like: Pixels) -> Pixels:
    """RGB in the dtype of another crop."""
    import cv2

    values: Any = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)
    wide = like.dtype == np.uint16
    # Scales, rounds and clips.
    pixels: Any = cv2.addWeighted(
        values, 257 if wide else 1, values, 0, 0, None, cv2.CV_16U if wide else cv2.CV_8U
    )
    return pixels  # type: ignore[no-any-return]
