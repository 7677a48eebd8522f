"""Crop + restored crop → fused crop: the input where it can be trusted, the network where not.

A network draws a face anew, with detail that the input shows as well as with detail that it has
lost. What it changed is taken apart into bands of detail, an octave each, and every band is taken
only as far as the input cannot be trusted there. So a sharp face stays as it is, a blurred one is
restored whole, and what a damaged face still shows (tones, gaze, the colour of the eyes) is kept.

A small network estimates from the input alone how far it can be trusted: for the energy
e of what is wrong in a band over the energy of what ought to be there, the input's share is
1 / (1 + (e / e₀)²). Below `COARSEST` px along the side of a crop every face can be trusted.

Convention:
    pixels       uint8 or uint16 RGB, shape (size, size, 3)
    change       float32 RGB, the same shape, in levels of the pixels
    reliability  float32, (2, bands, cells, cells), luma and chroma, finest band first; 1 where the
                 input is right, 0 where nothing of it is
    luma         Rec. 601; chroma is R - luma and B - luma
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..engines import Graph, open_graph
from ..images.transforms import resize
from ..types import FloatArray, Pixels

FILE = "gpen-reliability.onnx"
#: Detail coarser than this grid over a crop is the input's.
COARSEST = 16
#: Side of a crop in which all bands are judged together; of larger ones the finer bands apart.
WHOLE = 512
#: Error over signal at which input and network share a band: luma, chroma.
HALF_WAY = (0.2, 0.2)
#: Input shares above the second are 1, those below the first 0.
NOTHING, EVERYTHING = 0.02, 0.96
#: A face is left as it is where less than this share of it would change.
UNDAMAGED = 0.01

_LUMA_CHROMA_FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [0.701, -0.587, -0.114], [-0.299, -0.587, 0.886]]
)
_RGB_FROM_LUMA_CHROMA = np.linalg.inv(_LUMA_CHROMA_FROM_RGB)


@dataclass(frozen=True, eq=False)
class Reliability:
    """How far a crop can be trusted.

    Attributes:
        bands: (2, bands, cells, cells) in [0, 1]: luma and chroma, finest band first.
    """

    bands: FloatArray

    @cached_property
    def damage(self) -> float:
        """How damaged the face is: 0 not at all, 1 down to its coarsest detail.

        The mean over the bands of luma, in the middle of the crop, of what is to be restored.
        """
        cells = self.bands.shape[-1]
        inner = slice(cells // 5, cells - cells // 5)
        return float(1 - self.bands[0][:, inner, inner].mean())

    @property
    def is_undamaged(self) -> bool:
        """Whether nothing is to be restored."""
        return self.damage < UNDAMAGED


class ReliabilityEstimator:
    """Estimates the reliability of crops; thread-safe."""

    def __init__(self, path: Path, *, engine: str = "auto") -> None:
        """Open the network, which runs on the CPU.

        Args:
            path: Its file.
            engine: "openvino" or "onnxruntime"; others mean the first.

        Raises:
            WeightsError: The file is missing or no complete ONNX graph.
            EngineError: The engine cannot run it.
        """
        engine = engine if engine == "onnxruntime" else "auto"
        self._graph: Graph = open_graph(path, engine=engine, device="cpu", keep=True)

    def estimate(self, crop_pixels: Pixels) -> Reliability:
        """Estimate the reliability of one crop.

        Args:
            crop_pixels: (size, size, 3), size a power of two from 32.
        """
        size = len(crop_pixels)
        whole = resize(crop_pixels, (WHOLE, WHOLE)) if size > WHOLE else crop_pixels
        bands = self._run(whole)
        if size > WHOLE:
            finer = int(math.log2(size // WHOLE))
            fine = self._run(crop_pixels)[:, :finer]
            cells = bands.shape[-1]
            shrunk = [resize(plane, (cells, cells)) for plane in fine.reshape(-1, *fine.shape[2:])]
            fine = np.stack(shrunk).reshape(2, finer, cells, cells)
            bands = np.concatenate([fine, bands], axis=1)
        return Reliability(np.ascontiguousarray(bands[:, : band_count(size)]))

    def _run(self, pixels: Pixels) -> FloatArray:
        half_range = np.float32(np.iinfo(pixels.dtype).max / 2)
        planes = pixels.transpose(2, 0, 1)[None].astype(np.float32) / half_range - 1
        logarithm: FloatArray = self._graph.run(np.ascontiguousarray(planes))[0][0]
        return input_share(logarithm)


def input_share(logarithm: FloatArray) -> FloatArray:
    """The input's share of each band, from base-2 logarithms of error over signal (2, …)."""
    half_way = np.log2(np.array(HALF_WAY, np.float32)).reshape(2, *[1] * (logarithm.ndim - 1))
    share = 1 / (1 + np.exp2(2 * (logarithm - half_way)))
    stretched: FloatArray = np.clip((share - NOTHING) / (EVERYTHING - NOTHING), 0, 1)
    return stretched.astype(np.float32)


def band_count(size: int) -> int:
    """Bands of a crop, from its own resolution to `COARSEST`."""
    return max(1, int(math.log2(size // COARSEST)))


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
    change: Any = cv2.subtract(after, before, dtype=cv2.CV_32F)
    change = cv2.transform(change, _LUMA_CHROMA_FROM_RGB)
    kept = _weighed(change, reliability.bands)
    if recolor:
        kept[..., 1:] = change[..., 1:]
    change = cv2.transform(kept, _RGB_FROM_LUMA_CHROMA)
    depth = cv2.CV_8U if before.dtype == np.uint8 else cv2.CV_16U
    return cast("Pixels", cv2.add(before, change, dtype=depth))


def _weighed(change: Any, shares: FloatArray) -> Any:
    """Weight the bands of a change by 1 - share and sum them."""
    import cv2

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
