"""Estimates how far each band of detail in a face crop can be trusted.

A small network estimates it from the crop alone: for the energy e of what is wrong in a band over
the energy of what ought to be there, the input's share is 1 / (1 + (e / e₀)²). Detail coarser than
`COARSEST` cells along the side of a crop can always be trusted.

Convention:
    pixels       uint8 or uint16 RGB, shape (size, size, 3)
    reliability  float32, (2, bands, cells, cells), luma and chroma, finest band first; 1 where the
                 input is right, 0 where nothing of it is
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..engines import Graph, beside_restorer, open_graph
from ..images.transforms import resize
from ..types import FloatArray, Pixels

FILE = "gpen-reliability.onnx"
#: Detail coarser than this grid over a crop is the input's.
COARSEST = 16
#: Side of a crop in which all bands are judged together; of larger ones the finer bands apart.
WHOLE = 512
#: Where less than this share of a band can be trusted, nothing of finer ones can.
LOST = 0.15
#: Error over signal at which input and network share a band: luma, chroma.
HALF_WAY = (0.2, 0.2)
#: Input shares above the second are 1, those below the first 0.
NOTHING, EVERYTHING = 0.02, 0.96
#: A face is left as it is where less than this share of it would change.
UNDAMAGED = 0.01


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

    @property
    def lost_bands(self) -> int:
        """Finest bands of which nothing can be trusted anywhere in the crop."""
        trusted = np.flatnonzero(self.bands.any(axis=(0, 2, 3)))
        return int(trusted[0]) if trusted.size else self.bands.shape[1]


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
        engine, _ = beside_restorer(engine, "cpu")
        self._graph: Graph = open_graph(path, engine=engine, device="cpu", keep=True)

    def estimate(self, crop_pixels: Pixels) -> Reliability:
        """Estimate the reliability of one crop.

        Args:
            crop_pixels: (size, size, 3), size a power of two from 32.
        """
        size = len(crop_pixels)
        judged = min(size, WHOLE)
        bands = self._run(_shrunk(crop_pixels, judged))
        while judged < size:
            judged *= 2
            bands = np.concatenate([self._finer(crop_pixels, judged, bands), bands], axis=1)
        return Reliability(np.ascontiguousarray(bands[:, : band_count(size)]))

    def _finer(self, crop_pixels: Pixels, judged: int, bands: FloatArray) -> FloatArray:
        """The finest band of a crop shrunk to a side: (2, 1, cells, cells)."""
        if bands[0, 0].mean() < LOST:
            return np.zeros_like(bands[:, :1])
        cells = bands.shape[-1]
        finest = self._run(_shrunk(crop_pixels, judged))[:, 0]
        return np.stack([resize(plane, (cells, cells)) for plane in finest])[:, None]

    def _run(self, pixels: Pixels) -> FloatArray:
        half_range = np.float32(np.iinfo(pixels.dtype).max / 2)
        planes = pixels.transpose(2, 0, 1)[None].astype(np.float32) / half_range - 1
        logarithm: FloatArray = self._graph.run(np.ascontiguousarray(planes))[0][0]
        return input_share(logarithm)


def _shrunk(crop_pixels: Pixels, size: int) -> Pixels:
    return crop_pixels if len(crop_pixels) == size else resize(crop_pixels, (size, size))


def input_share(logarithm: FloatArray) -> FloatArray:
    """The input's share of each band, from base-2 logarithms of error over signal (2, …)."""
    half_way = np.log2(np.array(HALF_WAY, np.float32)).reshape(2, *[1] * (logarithm.ndim - 1))
    share = 1 / (1 + np.exp2(2 * (logarithm - half_way)))
    stretched: FloatArray = np.clip((share - NOTHING) / (EVERYTHING - NOTHING), 0, 1)
    return stretched.astype(np.float32)


def band_count(size: int) -> int:
    """Bands of a crop, from its own resolution to `COARSEST`."""
    return max(1, int(math.log2(size // COARSEST)))
