"""Candidates by YuNet (Wu et al., Machine Intelligence Research 2023), run by the engines of gpen.

For strides 8, 16 and 32 the network gives, for every cell, two scores, the middle and the logarithm
of the size of a box, and five points, in strides from the cell's corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ...engines import Graph, open_graph
from ...images import transforms
from ...types import FloatArray
from .candidates import Candidates, suppress_overlaps
from .image_pyramid import Level

YUNET_FILE = "gpen-yunet.onnx"
STRIDES = (8, 16, 32)
#: Lowest score of a candidate.
YUNET_THRESHOLD = 0.3


class YuNetProposals:
    """Proposes faces, roughly upright ones. One instance serves many threads."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @classmethod
    def open(cls, path: Path, *, engine: str, device: str) -> Self:
        """Open the network; it computes in 32 bits.

        Raises:
            WeightsError: The file is missing or no complete ONNX graph.
            EngineError: The engine cannot run it.
        """
        return cls(open_graph(path, engine=engine, device=device, keep=True))

    def find(self, level: Level) -> Candidates:
        """Candidates at one level of an image's pyramid, in pixels of the image."""
        outputs = self._graph.run(_to_yunet(level.pixels))
        names = [name for name, _ in self._graph.outputs]
        columns = -(-level.pixels.shape[1] // STRIDES[-1]) * STRIDES[-1]
        found = decode(dict(zip(names, outputs, strict=True)), columns)
        return suppress_overlaps(found, YUNET_THRESHOLD).moved(transforms.scaling(1 / level.scale))


def decode(outputs: dict[str, NDArray[np.float32]], width: int) -> Candidates:
    """The network's outputs as candidates in pixels of its image.

    Args:
        outputs: `cls_8`, `obj_8`, `bbox_8`, `kps_8` and so on, (1, cells, numbers).
        width: Of the image, in pixels.
    """
    found: list[Sequence[NDArray[np.float64]]] = []
    for stride in STRIDES:
        sure, there, box, points = (
            outputs[f"{name}_{stride}"][0].astype(np.float64)
            for name in ("cls", "obj", "bbox", "kps")
        )
        scores = np.sqrt(np.clip(sure, 0, 1) * np.clip(there, 0, 1))[:, 0]
        chosen = np.flatnonzero(scores >= YUNET_THRESHOLD)
        corner = np.stack(np.divmod(chosen, width // stride)[::-1], axis=1)
        middle = (corner + box[chosen, :2]) * stride
        half = np.exp(np.clip(box[chosen, 2:], -6, 6)) * stride / 2
        five = (corner[:, None] + points[chosen].reshape(-1, 5, 2)) * stride
        found.append((np.concatenate([middle - half, middle + half], axis=1), five, scores[chosen]))
    return Candidates(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _to_yunet(pixels: NDArray[np.uint8]) -> FloatArray:
    """RGB (H, W, 3) → BGR in levels, (1, 3, H, W), black up to a multiple of the largest stride."""
    height, width = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in pixels.shape[:2])
    planes = np.zeros((1, 3, height, width), np.float32)
    for channel in range(3):
        planes[0, 2 - channel, : pixels.shape[0], : pixels.shape[1]] = cv2.extractChannel(
            pixels, channel
        )
    return planes
