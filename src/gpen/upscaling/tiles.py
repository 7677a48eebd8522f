"""Cuts an axis into overlapping tiles of one length, so that together they leave no seam.

Each tile is seen by the network with a margin around what is kept of it. Tiles at the ends of the
axis begin and end with it: there the network sees the same border as in the whole image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis, in pixels of the source.

    Attributes:
        start: Where it begins.
        keep: First pixel that is kept of it.
        stop: First pixel behind those that are kept.
    """

    start: int
    keep: int
    stop: int


def plan_axis(
    length: int, most: int, margin: int, step: int = 1, *, is_fixed: bool = False
) -> tuple[int, list[Span]]:
    """Cover an axis with as few tiles as possible, no longer than they need to be.

    Args:
        length: Of the axis.
        most: Longest tile, a multiple of `step` and longer than two margins.
        margin: Pixels on each side of a tile that are not kept, but at the ends of the axis.
        step: What lengths and beginnings of tiles are multiples of. An axis that is none is taken
            for the next longer one.
        is_fixed: Every tile has the longest length.

    Returns:
        The length of every tile, and the tiles. The last may reach beyond the end of the axis.

    Example:
        >>> plan_axis(10, 6, 1)
        (6, [Span(start=0, keep=0, stop=5), Span(start=4, keep=5, stop=10)])
    """
    end, length = length, math.ceil(length / step) * step
    if length <= most:
        return most if is_fixed else length, [Span(0, 0, end)]
    count = math.ceil((length - 2 * margin) / (most - 2 * margin))
    side = math.ceil(((length - 2 * margin) / count + 2 * margin) / step) * step
    side = most if is_fixed else side
    starts = [round(i * (length - side) / (count - 1) / step) * step for i in range(count)]
    cuts = [0, *((a + side + b) // 2 for a, b in pairwise(starts)), end]
    return side, [
        Span(start, keep, stop) for start, (keep, stop) in zip(starts, pairwise(cuts), strict=True)
    ]
