"""The detector of gpen: a proposal network over an image pyramid, then a refinement network.

1. The proposal network runs on the image at several sizes, each a quarter of the one before, and
   returns candidates: everything that may be a face.
2. Each candidate is cut out upright; the refinement network scores it and moves the points. A
   doubtful one is tried at every rotation, since the proposed pose may be wrong. It runs twice, the
   second time on a crop aligned by its own first output.
3. Of detections of the same face the most confident one is kept.

`tools.detector` trains both networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...engines import fast_precision, open_graph, run_in_batches
from ...images import transforms
from ...types import Face, Float64Array, FloatArray
from .boxes import faces_from_arrays, non_max_suppression, overlaps_any
from .image_pyramid import Level, Pyramid
from .refinement_crops import (
    BOX_SIZE,
    CROP_SIZE,
    EYE_DISTANCE,
    TEMPLATE_XY,
    crop_matrices,
    ellipse_box,
    inverses,
)

PROPOSAL_FILE, REFINEMENT_FILE = "gpen-detector-finder.onnx", "gpen-detector-refiner.onnx"
#: Grid cells of the proposal network, in pixels; image sides must be multiples of the last.
STRIDES = (4, 8, 16, 32)
#: Numbers in an output of the refinement network; see `gpen.networks.detector.RefinementNetwork`.
REFINEMENT_CHANNELS = 15
#: Faces from 9 to 150 px were trained. Larger ones than this are left to the next level of the
#: pyramid, where they are as sharp as this net can use.
LARGEST_FACE = 100
#: What the networks see of a pixel's values.
IN_NETWORK = (np.arange(256) / 127.5 - 1).astype(np.float32)
#: Candidates per image.
MOST_CANDIDATES = 1000
#: Crops per run of the refinement network.
BATCH = 32
#: Lowest score of a candidate, after the first look, and of a face.
PROPOSAL_THRESHOLD, FIRST_THRESHOLD, THRESHOLD = 0.3, 0.1, 0.8
#: A first score below this is doubtful.
CERTAIN = 0.9
#: Rotations at which a doubtful box is tried; lowest proposal score and number of such boxes.
TURNS, DOUBT_THRESHOLD, MOST_DOUBTFUL = 8, 0.4, 32
SAME_FACE = 0.4
#: Smaller ones are mostly texture, and nothing in them could be restored, in pixels.
SMALLEST_FACE = 12


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    boxes_xyxy: Float64Array  # (N, 4)
    points_xy: Float64Array  # (N, 5, 2)
    scores: Float64Array  # (N,)

    @property
    def sizes(self) -> Float64Array:
        """Square root of each box's area, (N,)."""
        sides_wh = self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]
        sizes: Float64Array = np.sqrt(sides_wh.prod(axis=1))
        return sizes

    def take(self, chosen: NDArray[np.intp]) -> _Candidates:
        return _Candidates(self.boxes_xyxy[chosen], self.points_xy[chosen], self.scores[chosen])

    def put(self, chosen: NDArray[np.intp], others: _Candidates) -> None:
        self.boxes_xyxy[chosen] = others.boxes_xyxy
        self.points_xy[chosen] = others.points_xy
        self.scores[chosen] = others.scores

    def moved(self, matrix: Float64Array) -> _Candidates:
        corners = transforms.apply(matrix, self.boxes_xyxy.reshape(-1, 2, 2))
        points = transforms.apply(matrix, self.points_xy)
        return _Candidates(corners.reshape(-1, 4), points, self.scores)


class GpenDetector:
    """Finds faces of 16 px and more, in any rotation; see `gpen.faces.detection.Detector`.

    Images with more pixels than `letterbox.MOST_PIXELS` are searched shrunk to about that number,
    so that the smallest face is a share of the image: 16 px in 2000, 0.8 % of the longer side at
    a ratio of 4:3.
    """

    name = "gpen-detector"

    def __init__(
        self,
        proposal: Path,
        refinement: Path,
        *,
        engine: str = "auto",
        device: str = "auto",
        threshold: float = THRESHOLD,
    ) -> None:
        """Open both networks; `threshold` is the lowest score of a face.

        Raises:
            WeightsError: A file is missing or no complete ONNX graph.
            EngineError: The engine cannot run it.
        """
        precision = fast_precision(engine, device)  # bf16 moves points by 0.1 % of the eye distance
        self._proposal, self._refinement = (
            open_graph(path, engine=engine, device=device, precision=precision, keep=True)
            for path in (proposal, refinement)
        )
        self._threshold = threshold

    def detect(self, image_pixels: NDArray[np.uint8]) -> list[Face]:
        """Find faces; see `gpen.faces.detection.Detector.detect`."""
        pyramid = Pyramid(image_pixels)
        candidates = self._find_at_all_sizes(pyramid)
        first = min(FIRST_THRESHOLD, self._threshold)
        candidates = _suppress_overlaps(self._refine_with_rotations(pyramid, candidates), first)
        candidates = _suppress_overlaps(self._refine(pyramid, candidates), self._threshold)
        faces = faces_from_arrays(candidates.boxes_xyxy, candidates.points_xy, candidates.scores)
        return [face for face in faces if face.size_px >= SMALLEST_FACE]

    def _find_at_all_sizes(self, pyramid: Pyramid) -> _Candidates:
        """Candidates of all levels; of one face there may be one per level."""
        found = []
        for level in pyramid.searched:
            candidates = self._find(level)
            if level is not pyramid.searched[-1]:  # the next level sees larger faces better
                small = candidates.sizes * level.scale <= LARGEST_FACE
                candidates = candidates.take(np.flatnonzero(small))
            found.append(candidates)
        return _Candidates(
            np.concatenate([c.boxes_xyxy for c in found]),
            np.concatenate([c.points_xy for c in found]),
            np.concatenate([c.scores for c in found]),
        )

    def _find(self, level: Level) -> _Candidates:
        """Candidates at one level of the pyramid, in image pixels."""
        height, width = level.pixels.shape[:2]
        right, below = -width % STRIDES[-1], -height % STRIDES[-1]
        padded = cv2.copyMakeBorder(level.pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
        outputs = self._proposal.run(to_network([padded]))
        return _suppress_overlaps(decode(outputs)).moved(transforms.scaling(1 / level.scale))

    def _refine_with_rotations(self, pyramid: Pyramid, found: _Candidates) -> _Candidates:
        """First refinement; doubtful candidates take the best rotation of their box."""
        best = self._refine(pyramid, found)
        certain = best.boxes_xyxy[best.scores >= CERTAIN]
        doubts = (
            (best.scores < CERTAIN)
            & (found.scores >= DOUBT_THRESHOLD)
            & ~overlaps_any(found.boxes_xyxy, certain, SAME_FACE)
        )
        surest = np.argsort(-found.scores, kind="stable")
        doubtful = surest[doubts[surest]][:MOST_DOUBTFUL]
        if not len(doubtful):
            return best
        turned = self._refine_rotated(pyramid, found.take(doubtful))
        scores = turned.scores.reshape(TURNS, -1)
        better = np.flatnonzero(scores.max(axis=0) > best.scores[doubtful])
        best.put(
            doubtful[better], turned.take(scores.argmax(axis=0)[better] * len(doubtful) + better)
        )
        return best

    def _refine(self, pyramid: Pyramid, candidates: _Candidates) -> _Candidates:
        """Refine each candidate: new points, boxes and scores."""
        matrices, sound = crop_matrices(candidates.points_xy)
        chosen = np.flatnonzero(sound)  # points in one heap are no face
        refined = _Candidates(
            candidates.boxes_xyxy.copy(), candidates.points_xy.copy(), np.zeros(len(sound))
        )
        rows = self._outputs(to_network(pyramid.cut(matrices[chosen])))
        refined.put(chosen, _placed(rows, matrices[chosen]))
        return refined

    def _refine_rotated(self, pyramid: Pyramid, candidates: _Candidates) -> _Candidates:
        """Refine each candidate's box at every rotation, (TURNS · N).

        Crops of two turns are cut; the others are these, turned by right angles.
        """
        matrices, _ = crop_matrices(_rotated_points(candidates))
        cut = to_network(pyramid.cut(matrices[: 2 * len(candidates.scores)]))
        pairs = cut.reshape(2, -1, *cut.shape[1:])
        crops = np.concatenate([np.rot90(pairs[n % 2], n // 2, (2, 3)) for n in range(TURNS)])
        return _placed(self._outputs(crops), matrices)

    def _outputs(self, crops: FloatArray) -> Float64Array:
        """The refinement network's outputs to crops (N, 3, CROP_SIZE, CROP_SIZE): (N, 15)."""
        if not len(crops):
            return np.zeros((0, REFINEMENT_CHANNELS))
        return run_in_batches(self._refinement, crops, most=BATCH).astype(np.float64)


def _placed(rows: Float64Array, crop_from_image: Float64Array) -> _Candidates:
    """The refinement network's outputs, (N, 15), to crops, (N, 2, 3), in image pixels."""
    image_from_crop = inverses(crop_from_image)
    points = rows[:, 1:11].reshape(-1, 5, 2) * EYE_DISTANCE + TEMPLATE_XY
    linear, shift = image_from_crop[:, :, :2], image_from_crop[:, None, :, 2]
    middle = rows[:, 11:13] * EYE_DISTANCE + (CROP_SIZE - 1) / 2
    half = np.exp(np.clip(rows[:, 13:15], -3, 3)) * EYE_DISTANCE / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return _Candidates(
        ellipse_box(boxes, image_from_crop),
        points @ np.swapaxes(linear, 1, 2) + shift,
        sigmoid(rows[:, 0]),
    )


def decode(outputs: Sequence[NDArray[np.float32]]) -> _Candidates:
    """The proposal network's outputs as candidates in pixels of its image.

    Args:
        outputs: One (1, 15, H, W) per stride; see `gpen.networks.detector.ProposalNetwork`.
    """
    rows, cells, strides = [], [], []
    least = math.log(PROPOSAL_THRESHOLD / (1 - PROPOSAL_THRESHOLD))
    for stride, output in zip(STRIDES, outputs, strict=True):
        logits = output[0, 0]
        # Neighbouring cells see the same face: the most confident one is kept.
        peaks = logits >= cv2.dilate(logits, np.ones((3, 3), np.uint8))
        y, x = np.nonzero(peaks & (logits > least))
        rows.append(output[0, :, y, x])
        cells.append((np.stack([x, y], axis=1) + 0.5) * stride - 0.5)
        strides.append(np.full(len(x), stride))
    row = np.concatenate(rows).astype(np.float64)
    cell, stride_of = np.concatenate(cells), np.concatenate(strides)[:, None]
    middle = row[:, 1:3] * stride_of + cell
    half = np.exp(np.clip(row[:, 3:5], -6, 6)) * stride_of / 2
    points = row[:, 5:].reshape(-1, 5, 2) * stride_of[:, None] + cell[:, None]
    return _Candidates(
        np.concatenate([middle - half, middle + half], axis=1), points, sigmoid(row[:, 0])
    )


def _suppress_overlaps(
    candidates: _Candidates, threshold: float = PROPOSAL_THRESHOLD
) -> _Candidates:
    """One candidate per face of those that score enough, surest first."""
    candidates = candidates.take(np.flatnonzero(candidates.scores >= threshold))
    kept = non_max_suppression(candidates.boxes_xyxy, candidates.scores, SAME_FACE)[
        :MOST_CANDIDATES
    ]
    return candidates.take(kept)


def _rotated_points(candidates: _Candidates) -> Float64Array:
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


def to_network(images: Sequence[Any] | NDArray[np.uint8]) -> FloatArray:
    """N times uint8 RGB (H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    size = images[0].shape[:2] if len(images) else (CROP_SIZE, CROP_SIZE)
    planes = np.empty((len(images), 3, *size), np.float32)
    for image, target in zip(images, planes, strict=True):
        for channel in range(3):
            cv2.LUT(cv2.extractChannel(image, channel), IN_NETWORK, target[channel])
    return planes


def sigmoid(logits: NDArray[np.float64]) -> Float64Array:
    """1 / (1 + exp(-x)), without overflow."""
    result: Float64Array = 0.5 * (1 + np.tanh(0.5 * logits))
    return result
