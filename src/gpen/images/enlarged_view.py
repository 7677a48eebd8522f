"""An enlarged image of which only windows are ever computed."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Pixels
from . import transforms

#: Pixels that Lanczos' kernel reads beyond a window, rounding included.
_REACH = 5


@dataclass(frozen=True, slots=True, eq=False)
class EnlargedView:
    """An image enlarged by a whole factor, as `transforms.enlarge` does it.

    Attributes:
        pixels: The image, (height, width, 3).
        factor: 1 or more.
    """

    pixels: Pixels
    factor: int

    def window(self, rows: slice, columns: slice) -> Pixels:
        """A window of the enlarged image, both ends inside it: what slicing it would give."""
        height, width = self.pixels.shape[:2]
        top, bottom = self._read(rows, height)
        left, right = self._read(columns, width)
        part = transforms.enlarge(self.pixels[top:bottom, left:right], self.factor)
        top, left = top * self.factor, left * self.factor
        return part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def _read(self, span: slice, length: int) -> tuple[int, int]:
        """Which pixels of the image a window needs along an axis."""
        low = span.start // self.factor - _REACH
        high = -(-span.stop // self.factor) + _REACH
        return max(0, low), min(length, high)
