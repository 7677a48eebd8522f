"""Runs the refinement network: looks at candidates upright and close, scores and places them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from ...engines import Graph, fast_precision, open_graph, run_in_batches
from ...types import Float64Array, FloatArray
from .candidates import Candidates
from .image_pyramid import Pyramid
from .network_planes import sigmoid, to_network
from .refinement_crops import (
    BOX_SIZE,
    CROP_SIZE,
    EYE_DISTANCE,
    TEMPLATE_XY,
    crop_matrices,
    ellipse_box,
    inverses,
)

REFINEMENT_FILE = "gpen-detector-refiner.onnx"
#: Numbers in an output of the refinement network; see `gpen.networks.detector.RefinementNetwork`.
REFINEMENT_CHANNELS = 15
#: Crops per run of the refinement network.
BATCH = 32
#: Rotations at which a doubtful box is tried.
TURNS = 8


class Refiner:
    """Scores candidates and places their points. One instance serves many threads."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @classmethod
    def open(cls, path: Path, *, engine: str, device: str) -> Self:
        """Open the network.

        Raises:
            WeightsError: The file is missing or no complete ONNX graph.
            EngineError: The engine cannot run it.
        """
        precision = fast_precision(engine, device)  # bf16 moves points by 0.1 % of the eye distance
        return cls(open_graph(path, engine=engine, device=device, precision=precision, keep=True))

    def refine(self, pyramid: Pyramid, candidates: Candidates) -> Candidates:
        """New points, boxes and scores, each from a crop that the candidate's points place."""
        matrices, sound = crop_matrices(candidates.points_xy)
        chosen = np.flatnonzero(sound)  # points in one heap are no face
        refined = Candidates(
            candidates.boxes_xyxy.copy(), candidates.points_xy.copy(), np.zeros(len(sound))
        )
        rows = self._outputs(to_network(pyramid.cut(matrices[chosen])))
        refined.put(chosen, _placed(rows, matrices[chosen]))
        return refined

    def refine_rotated(self, pyramid: Pyramid, candidates: Candidates) -> Candidates:
        """New points, boxes and scores, each at the rotation of its box that scores best.

        Crops of two turns are cut; the others are these, turned by right angles.
        """
        count = len(candidates.scores)
        matrices, _ = crop_matrices(rotated_points(candidates))
        cut = to_network(pyramid.cut(matrices[: 2 * count]))
        pairs = cut.reshape(2, -1, *cut.shape[1:])
        crops = np.concatenate([np.rot90(pairs[n % 2], n // 2, (2, 3)) for n in range(TURNS)])
        turned = _placed(self._outputs(crops), matrices)
        best = turned.scores.reshape(TURNS, count).argmax(axis=0)
        return turned.take(best * count + np.arange(count))

    def _outputs(self, crops: FloatArray) -> Float64Array:
        """The network's outputs to crops (N, 3, CROP_SIZE, CROP_SIZE): (N, 15)."""
        if not len(crops):
            return np.zeros((0, REFINEMENT_CHANNELS))
        return run_in_batches(self._graph, crops, most=BATCH).astype(np.float64)


def rotated_points(candidates: Candidates) -> Float64Array:
    """The points of an average face that fills each box, at every turn: (TURNS · N, 5, 2)."""
    angles = 2 * np.pi * np.arange(TURNS) / TURNS
    cos, sin = np.cos(angles), np.sin(angles)
    rotations = np.moveaxis(np.array([[cos, sin], [-sin, cos]]), 2, 0)  # of rows, (T, 2, 2)
    average = (TEMPLATE_XY - (CROP_SIZE - 1) / 2) @ rotations / BOX_SIZE  # (T, 5, 2)
    corners = candidates.boxes_xyxy.reshape(-1, 2, 2)
    sizes = candidates.sizes[:, None, None]
    points = corners.mean(axis=1, keepdims=True) + average[:, None] * sizes  # (T, N, 5, 2)
    posed: Float64Array = points.reshape(-1, 5, 2)
    return posed


def _placed(rows: Float64Array, crop_from_image: Float64Array) -> Candidates:
    """The network's outputs, (N, 15), to crops, (N, 2, 3), in image pixels."""
    image_from_crop = inverses(crop_from_image)
    points = rows[:, 1:11].reshape(-1, 5, 2) * EYE_DISTANCE + TEMPLATE_XY
    linear, shift = image_from_crop[:, :, :2], image_from_crop[:, None, :, 2]
    middle = rows[:, 11:13] * EYE_DISTANCE + (CROP_SIZE - 1) / 2
    half = np.exp(np.clip(rows[:, 13:15], -3, 3)) * EYE_DISTANCE / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return Candidates(
        ellipse_box(boxes, image_from_crop),
        points @ np.swapaxes(linear, 1, 2) + shift,
        sigmoid(rows[:, 0]),
    )
