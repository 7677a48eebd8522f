"""Residual detail: what the crop was too coarse to show the network, and how much of it is kept.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    field    float32, (height, width) or (height, width, 3), over a box of image pixels
    energy   mean square of luma by region, (rows, columns) float32; luma as OpenCV defines grey
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..images import transforms
from ..types import Crop, FloatArray, Pixels

#: A change of this times less energy than noise would have is half way to replacing a face.
REPLACED = 6
#: Regions along the side of a crop by which energies are measured.
REGIONS = 32


def residual_weight(
    crop: Crop,
    output: Pixels,
    residual: FloatArray,
    back: Callable[[FloatArray, tuple[int, int]], FloatArray],
) -> FloatArray:
    """The share of residual detail to remove, by region.

    White noise whose residual has the energy E leaves E / f² in a crop that shows f image pixels
    in one. A network that changed the finest detail of its crop by about as much has cleaned or
    replaced it, and what it could not see has to go too; one that changed far less, by its own
    choice, left a good image alone, so its pores and lashes stay.

    Args:
        crop: The face as cut out of the image.
        output: What the network made of it, same shape and dtype.
        residual: The image less what the crop shows of it, (height, width, 3) over a box.
        back: Resamples a field over the crop to a grid of this width and height over the box.

    Returns:
        (height, width) in [0, 1].
    """
    import cv2

    crop_side = crop.size / transforms.scale_of(crop.crop_from_image)
    cell = max(1.0, crop_side / REGIONS)
    height, width = residual.shape[:2]
    cells_wh = max(1, round(width / cell)), max(1, round(height / cell))
    unseen_energy = _energy(cv2.cvtColor(residual, cv2.COLOR_RGB2GRAY), cells_wh)
    changed = np.maximum(back(_changed_energy(crop, output, crop_side), cells_wh), 0)
    changed *= np.float32(REPLACED * max(1.0, crop_side / crop.size) ** 2)
    # Squares of energies: in float64, whose range they do not leave.
    changed_squared = np.square(changed, dtype=np.float64)
    unseen_squared = np.square(unseen_energy, dtype=np.float64) + np.finfo(np.float32).tiny
    share = (unseen_squared / (unseen_squared + changed_squared)).astype(np.float32)
    kept = transforms.resize(share, (width, height))
    np.clip(kept, 0, 1, out=kept)
    return np.subtract(np.float32(1), kept, out=kept)


def _changed_energy(crop: Crop, output: Pixels, crop_side: float) -> FloatArray:
    """How much the network changed the finest detail of its crop, by region, on a grid over it.

    The finest detail is what a Gaussian of one pixel removes from the luma, at the coarser of the
    resolutions of crop and image.
    """
    import cv2

    side = max(1, min(crop.size, round(crop_side)))
    before, after = (
        transforms.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (side, side))
        for pixels in (crop.pixels, output)
    )
    change: Any = cv2.subtract(after, before, dtype=cv2.CV_32F)
    grid = min(side, REGIONS)
    return _energy(cv2.subtract(change, cv2.GaussianBlur(change, (0, 0), 1)), (grid, grid))


def _energy(image: Any, cells_wh: tuple[int, int]) -> FloatArray:
    """Mean square by region, smooth; the image is left squared."""
    import cv2

    by_cell = cv2.resize(np.square(image, out=image), cells_wh, interpolation=cv2.INTER_AREA)
    smooth: FloatArray = cv2.GaussianBlur(by_cell, (0, 0), 1)
    return smooth
