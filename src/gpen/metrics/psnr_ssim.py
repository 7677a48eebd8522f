"""PSNR and SSIM."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: Window of SSIM: side, and standard deviation of its Gaussian, in pixels.
_WINDOW, _WINDOW_SIGMA = 11, 1.5
#: Constants of SSIM: squares of 1 % and 3 % of the range of levels.
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(image: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Peak signal to noise ratio over all three channels.

    Args:
        image: RGB, (H, W, 3).
        truth: The same shape.

    Returns:
        dB of 8-bit levels; infinite for equal images.
    """
    error = float(np.mean((image.astype(np.float64) - truth) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def ssim(image: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Structural similarity of the luma, as in Wang et al., IEEE TIP 2004.

    Averaged where the window lies wholly within the images, as their implementation does it: not
    over the outermost 5 px.

    Args:
        image: RGB, (H, W, 3), of at least 11 px.
        truth: The same shape.

    Returns:
        At most 1, which only equal images reach; NaN for images that the window does not fit.
    """
    if min(image.shape[:2]) < _WINDOW:
        return math.nan
    x, y = _luma(image), _luma(truth)

    def mean(values: Any) -> Any:
        return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _WINDOW_SIGMA)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    likeness = (2 * mx * my + _C1) * (2 * cov + _C2)
    similarity = likeness / ((mx**2 + my**2 + _C1) * (vx + vy + _C2))
    border = _WINDOW // 2
    return float(np.mean(similarity[border:-border, border:-border]))


def _luma(image: NDArray[np.uint8]) -> Any:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
