"""Fuses a restored crop with its input: detail of the input where it can be trusted.

A network draws a face anew, with detail that the input shows as well as with detail that it has
lost. What it changed is split into bands of detail, an octave each, and every band is taken only as
far as the input cannot be trusted there (`gpen.blending.reliability_estimator`). So a sharp face
stays as it is, a blurred one is restored whole, and what a damaged face still shows (tones, gaze,
the colour of the eyes) is kept.

Convention:
    pixels       uint8 or uint16 RGB, shape (size, size, 3)
    change       float32 RGB, the same shape, in levels of the pixels
    luma         Rec. 601; chroma is R - luma and B - luma
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..types import FloatArray, Pixels
from .reliability_estimator import Reliability

_LUMA_CHROMA_FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [0.701, -0.587, -0.114], [-0.299, -0.587, 0.886]]
)
_RGB_FROM_LUMA_CHROMA = np.linalg.inv(_LUMA_CHROMA_FROM_RGB)


def fuse(
    before: Pixels, after: Pixels, reliability: Reliability, *, recolor: bool = False
) -> Pixels:
    """Fuse a restored crop with its input, band by band.

    Args:
        before: The crop as cut out.
        after: The network's output, same shape and dtype.
        reliability: Of `before`.
        recolor: Take all of the colours from the network.

    Returns:
        The fused crop; `before` itself where nothing is to be restored.
    """
    import cv2

    if reliability.is_undamaged and not recolor:
        return before
    lost = reliability.lost_bands
    change: Any = cv2.subtract(after, before, dtype=cv2.CV_32F)
    sizes = []  # of the bands that come from the network whole
    for _ in range(lost):
        sizes.append(change.shape[1::-1])
        change = cv2.pyrDown(change)
    correction = _kept(change, reliability.bands[:, lost:], recolor=recolor)
    if lost:
        correction -= change
    for size_wh in reversed(sizes):
        correction = cv2.pyrUp(correction, dstsize=size_wh)
    depth = cv2.CV_8U if before.dtype == np.uint8 else cv2.CV_16U
    return cast("Pixels", cv2.add(after if lost else before, correction, dtype=depth))


def _kept(change: Any, shares: FloatArray, *, recolor: bool) -> Any:
    """What is taken of a change, in RGB."""
    import cv2

    change = cv2.transform(change, _LUMA_CHROMA_FROM_RGB)
    kept = _weighed(change, shares)
    if recolor:
        kept[..., 1:] = change[..., 1:]
    return cv2.transform(kept, _RGB_FROM_LUMA_CHROMA)


def _weighed(change: Any, shares: FloatArray) -> Any:
    """Weight the bands of a change by 1 - share and sum them."""
    import cv2

    if not shares.shape[1]:
        return np.zeros_like(change)
    bands = []
    for luma, chroma in zip(*(1 - shares), strict=True):
        coarser = cv2.pyrDown(change)
        size_wh = change.shape[1::-1]
        band = cv2.subtract(change, cv2.pyrUp(coarser, dstsize=size_wh))
        weights = cv2.merge([luma, chroma, chroma])
        bands.append(
            cv2.multiply(band, cv2.resize(weights, size_wh, interpolation=cv2.INTER_LINEAR))
        )
        change = coarser
    total = bands.pop()
    while bands:
        finer = bands.pop()
        total = cv2.add(cv2.pyrUp(total, dstsize=finer.shape[1::-1]), finer, dst=finer)
    return total


def split_bands(image: FloatArray, count: int) -> list[FloatArray]:
    """Bands of an image, (h, w, C) float32, from the finest on: a Laplacian pyramid.

    Source: Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983.
    """
    import cv2

    bands = []
    for _ in range(count):
        coarser: Any = cv2.pyrDown(image)
        bands.append(image - cv2.pyrUp(coarser, dstsize=image.shape[1::-1]))
        image = coarser
    return bands


def luma_chroma(rgb: FloatArray) -> FloatArray:
    """RGB, (h, w, 3), as luma, R - luma, B - luma."""
    import cv2

    planes: Any = cv2.transform(rgb, _LUMA_CHROMA_FROM_RGB)
    return np.asarray(planes, np.float32)
