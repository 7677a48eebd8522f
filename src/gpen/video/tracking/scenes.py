"""Scene cut detection: frame differences, and which of them are cuts.

Frames are compared as tiny images without their brightness and contrast, so that fades and
flashes change little, and at small shifts of one another, so that pans change little. What still
changes is a cut only where the image from before does not come back within a moment: a flash
that washes everything out is none.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...types import FloatArray

#: Width and height of the images that are compared, in pixels.
SMALL_WH = (32, 18)
#: Blur of those, in their pixels: detail that moves by part of a pixel must not count.
BLUR = 1.0
#: A change of this much may be a cut; images with nothing in common differ by 0.6 to 0.9.
CUT = 0.25
#: Of the change at a cut, what must lie between any frame before and any after it.
LASTING = 0.8
#: A cut changes this many times as much as is usual around it.
OUTSTANDING = 3.0
#: Frames on either side of a cut that say what is usual.
AROUND = 6
#: A flash lasts at most this many seconds.
FLASH_S = 0.12
#: Shifts that a pan makes from frame to frame, at most, in pixels of the small images.
PAN_XY = (3, 2)
#: Smaller changes need no comparison at shifts.
STILL = 0.15
#: Contrast below which a frame counts as flat, in levels of 255.
FLAT = 6.0


def flash_frames(fps: float) -> int:
    """How many frames back each frame is compared with."""
    return max(2, round(FLASH_S * fps)) + 1


class SceneChangeMeter:
    """Compares each frame with the `memory` frames before it."""

    def __init__(self, memory: int) -> None:
        self._before: deque[FloatArray] = deque(maxlen=memory)

    def see(self, pixels: NDArray[np.uint8]) -> tuple[float, ...]:
        """Take the next frame, uint8 RGB (H, W, 3).

        Returns:
            The change from the frame before, from the one before that, and so on: 0 is none, 1 the
            most; shorter at the start of a video.
        """
        small = _small(pixels)
        changes = tuple(round(_change(small, other), 3) for other in reversed(self._before))
        self._before.append(small)
        return changes


def find_cuts(changes: FloatArray) -> list[int]:
    """Which frames are the first after a cut.

    Args:
        changes: (frames, memory), from `SceneChangeMeter.see`, NaN where there was no such frame.

    Returns:
        Positions, ascending, never 0.
    """
    cuts: list[int] = []
    suspects: list[int] = np.flatnonzero(changes[:, 0] >= CUT).tolist()
    for t in suspects:
        low = max(0, t - AROUND)
        usual = np.delete(changes[low : t + AROUND + 1, 0], t - low)
        usual = usual[~np.isnan(usual)]
        if usual.size and changes[t, 0] < OUTSTANDING * np.median(usual):
            continue
        ahead = min(changes.shape[1], len(changes) - t)
        across = [changes[t + j, j] for j in range(ahead)]  # each frame after and the last before
        lasting = np.nanmin([*across, *changes[t]]) >= LASTING * CUT
        if lasting:
            cuts.append(t)
    return cuts


def _small(pixels: NDArray[np.uint8]) -> FloatArray:
    """A frame as a tiny image around 0, of spread 1 (less where it is flat), float32."""
    step = max(1, pixels.shape[0] // (10 * SMALL_WH[1]))
    thin = np.ascontiguousarray(pixels[::step, ::step])
    small: Any = cv2.resize(thin, SMALL_WH, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), BLUR)
    levels = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb) * 255
    # By quartiles: a lamp or a bright face must not change what the rest counts.
    low, middle, high = np.percentile(levels[..., 0], (25, 50, 75))
    levels -= np.array([middle, 127.5, 127.5], np.float32)
    levels /= (high - low) / 1.35 + FLAT
    result: FloatArray = np.clip(levels, -3, 3)
    return result


def _change(one: FloatArray, other: FloatArray) -> float:
    """The least difference of two small images over all shifts of a pan, from 0 to 1."""
    least = _difference(one, other)
    if least < STILL:
        return least
    height, width = one.shape[:2]
    for x in range(-PAN_XY[0], PAN_XY[0] + 1):
        for y in range(-PAN_XY[1], PAN_XY[1] + 1):
            a = one[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
            b = other[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
            least = min(least, _difference(a, b))
    return least


def _difference(one: FloatArray, other: FloatArray) -> float:
    """The mean change per pixel, clipped at 1: a lamp that is switched on is no cut."""
    changes = np.minimum(np.abs(one - other).sum(axis=2), 1.0)
    return float(changes.mean())
