"""The convention of all degradation steps.

image      uint8 RGB, (h, w, 3); never changed
random     where the step's own choices (angles, signs, places) come from
strengths  keyword arguments; the harmless end of each leaves the image (nearly) as it is.
Lengths are in pixels of a 512 px face, and grow with the image's height, where
nothing else is said
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
Random = np.random.Generator


def rounded(values: NDArray[Any]) -> UInt8Array:
    """Levels of any dtype, rounded and clipped to uint8."""
    levels: UInt8Array = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels
