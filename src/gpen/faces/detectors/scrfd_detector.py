"""SCRFD detector files (`.onnx`): Guo et al., ICLR 2022, as InsightFace and others export them.

Nine outputs: for strides 8, 16 and 32 the scores (cells × 2 anchors, 1), the distances to the four
sides of the box (…, 4) and the offsets of the five points (…, 10), both in strides and measured
from the corner of the cell. Some exporters put a batch axis of one in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...engines import open_graph
from ...errors import WeightsError
from ...types import Face, Float64Array
from .boxes import faces_from_arrays, non_max_suppression
from .letterbox import fit_into

STRIDES = (8, 16, 32)
ANCHORS = 2
DEFAULT_SIDE = 640
THRESHOLD, SAME_FACE = 0.5, 0.4


class ScrfdDetector:
    """A published SCRFD with points; see `gpen.faces.detection.Detector`."""

    name = "scrfd"

    def __init__(self, path: Path, *, engine: str = "auto", device: str = "auto") -> None:
        """Open the file.

        Raises:
            WeightsError: It finds boxes without points.
            EngineError: The engine cannot run it.
        """
        self._graph = open_graph(path, engine=engine, device=device)
        if len(self._graph.outputs) != 3 * len(STRIDES):
            raise WeightsError(
                f"{path.name} has {len(self._graph.outputs)} outputs; expected an SCRFD detector "
                "with 9, the ones with `kps` in their name find points too",
                path=path,
            )
        height, width = self._graph.inputs[0][1][2:4]
        self._size_wh = (width or DEFAULT_SIDE, height or DEFAULT_SIDE)

    def detect(self, image_pixels: NDArray[np.uint8]) -> list[Face]:
        """Find faces; see `gpen.faces.detection.Detector.detect`."""
        image, scale = fit_into(image_pixels, self._size_wh)
        tensor = (image.transpose(2, 0, 1)[None].astype(np.float32) - 127.5) / 128
        outputs = self._graph.run(np.ascontiguousarray(tensor))
        boxes, points, scores = decode(outputs, self._size_wh)
        kept = non_max_suppression(boxes, scores, SAME_FACE)
        # Pixel corners are whole numbers here, pixel centres elsewhere in gpen.
        boxes, points = boxes[kept] / scale - 0.5, points[kept] / scale - 0.5
        return faces_from_arrays(boxes, points, scores[kept])


def decode(
    outputs: Sequence[NDArray[np.float32]], size_wh: tuple[int, int]
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Boxes (N, 4), points (N, 5, 2) and scores (N,) above the threshold, in image pixels.

    Args:
        outputs: The nine outputs, in any order.
        size_wh: Of the image that the network saw.
    """
    flat = [np.asarray(o, np.float64).reshape(-1, o.shape[-1]) for o in outputs]
    boxes, points, scores = [], [], []
    for stride in STRIDES:
        columns, rows = size_wh[0] // stride, size_wh[1] // stride
        count = columns * rows * ANCHORS
        score, sides, offsets = (
            next(o for o in flat if o.shape == (count, numbers)) for numbers in (1, 4, 10)
        )
        y, x = np.divmod(np.arange(columns * rows), columns)
        corner = np.repeat(np.stack([x, y], axis=1) * stride, ANCHORS, axis=0).astype(np.float64)
        chosen = score[:, 0] > THRESHOLD
        at, sides, offsets = corner[chosen], sides[chosen] * stride, offsets[chosen] * stride
        boxes.append(np.concatenate([at - sides[:, :2], at + sides[:, 2:]], axis=1))
        points.append(at[:, None] + offsets.reshape(-1, 5, 2))
        scores.append(score[chosen, 0])
    return np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)
