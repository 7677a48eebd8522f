"""How far restored pictures are from the truth, pixel by pixel: PSNR and SSIM."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Float64Array

#: Window of SSIM: side, and standard deviation of its Gaussian, in pixels.
_WINDOW, _WINDOW_SIGMA = 11, 1.5
#: Constants of SSIM, of the squared range of levels.
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(images: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Float64Array:
    """Peak signal to noise ratio over all three channels.

    Args:
        images: RGB, (N, H, W, 3).
        truth: The same shape.

    Returns:
        (N,) in dB of 8-bit levels; infinite where both pictures are equal.
    """
    error = ((images.astype(np.float64) - truth) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        result: Float64Array = 10 * np.log10(255**2 / error)
    return result


def ssim(images: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Float64Array:
    """Structural similarity of the luma, as in Wang et al., IEEE TIP 2004.

    Args:
        images: RGB, (N, H, W, 3).
        truth: The same shape.

    Returns:
        (N,), at most 1, which only equal pictures reach.
    """
    return np.array([_ssim(*map(_luma, pair)) for pair in zip(images, truth, strict=True)])


def _luma(image: NDArray[np.uint8]) -> Any:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)


def _ssim(x: Any, y: Any) -> float:
    def mean(values: Any) -> Any:
        return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _WINDOW_SIGMA)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    likeness = (2 * mx * my + _C1) * (2 * cov + _C2)
    return float(np.mean(likeness / ((mx**2 + my**2 + _C1) * (vx + vy + _C2))))
