"""A camera that moves over a photo, as an image function and as a clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gpen.images import transforms
from gpen.images.read import read_image
from support.video_files import make_clip

SIZE_WH = (240, 176)


def panning(photo: Path) -> Any:
    """An image function: the camera moves over the face of the demo photo."""
    pixels = read_image(photo).pixels

    def picture(index: int, size_wh: tuple[int, int], dtype: Any = np.uint8) -> np.ndarray:
        matrix = transforms.shifting(-105.3 - 0.7 * index, -35.2 - 0.3 * index)
        frame = transforms.warp(pixels, matrix, size_wh)
        return frame.astype(np.uint16) * 257 if dtype == np.uint16 else frame

    return picture


def panning_clip(path: Path, photo: Path, *, frames: int = 16) -> Path:
    """A clip of it at uneven times, with sound."""
    return make_clip(
        path,
        frames=frames,
        size_wh=SIZE_WH,
        rate=25,
        time_base=Fraction(1, 1000),
        pts=[40 * n + (n % 3) for n in range(frames)],
        sound="aac",
        picture=panning(photo),
    )
