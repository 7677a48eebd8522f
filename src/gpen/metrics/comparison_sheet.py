"""Draws a comparison sheet: faces as rows, models as labelled columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images.transforms import resize

ImageArray = NDArray[np.uint8]

#: Height of the line of labels, in pixels, and the fewest per letter.
_LABEL_PX = 22
_BACKGROUND, _INK = 24, (235, 235, 235)


def draw_sheet(rows: Sequence[Mapping[str, ImageArray]], *, side: int = 256) -> ImageArray:
    """Draw faces side by side under the names of their columns.

    Args:
        rows: Images of each face by column, RGB (H, W, 3); the columns of the first row count,
            and a column that a row lacks is left dark.
        side: Width and height of each image.

    Returns:
        RGB, (rows · side + label, columns · side, 3).
    """
    columns = list(rows[0])
    sheet = np.full((_LABEL_PX + len(rows) * side, len(columns) * side, 3), _BACKGROUND, np.uint8)
    for x, column in enumerate(columns):
        _write(sheet[:_LABEL_PX, x * side : (x + 1) * side], column)
        for y, row in enumerate(rows):
            if column in row:
                top = _LABEL_PX + y * side
                sheet[top : top + side, x * side : (x + 1) * side] = _fitted(row[column], side)
    return sheet


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` positions of `count`, evenly spread; all where there are fewer."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())]


def _fitted(image: ImageArray, side: int) -> ImageArray:
    """The image in a square; a small one is enlarged without smoothing, to show what it holds."""
    height, width = image.shape[:2]
    if height == width and side % height == 0:
        return np.repeat(np.repeat(image, side // height, axis=0), side // height, axis=1)
    scale = side / max(height, width)
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.full((side, side, 3), _BACKGROUND, np.uint8)
    square[: size_wh[1], : size_wh[0]] = resize(image, size_wh)
    return square


def _write(strip: ImageArray, text: str) -> None:
    """Write a label into a strip of the sheet, shortened to what fits."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    while text and cv2.getTextSize(text, font, scale, 1)[0][0] > strip.shape[1] - 8:
        text = text[:-1]
    readable = text.encode("ascii", "replace").decode()  # OpenCV draws no other letters
    cv2.putText(strip, readable, (4, _LABEL_PX - 7), font, scale, _INK, 1, cv2.LINE_AA)
