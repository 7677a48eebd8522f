"""The detector of gpen: two proposal networks over an image pyramid, then a refinement network.

1. The proposal network runs on the image at several sizes, each a quarter of the one before, and
   returns candidates: everything that may be a face. YuNet, which was trained on other images,
   proposes beside it.
2. Each candidate is cut out upright; the refinement network scores it and moves the points. A
   doubtful one is tried at every rotation, since the proposed pose may be wrong. It runs twice, the
   second time on a crop aligned by its own first output.
3. What both networks say of a candidate becomes the probability that it is a face. Of detections of
   the same face the most probable one is kept.

`tools.detector` trains both networks of gpen, and fits the probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...engines import fast_precision, open_graph
from ...images import transforms
from ...models import ASSETS
from ...types import Face
from .boxes import faces_from_arrays, overlaps_any
from .candidates import SAME_FACE, Candidates, suppress_overlaps
from .face_scores import Evidence, evidence_of, least_probability, probability
from .image_pyramid import Level, Pyramid
from .network_planes import sigmoid, to_network
from .refiner import Refiner
from .yunet_proposals import YUNET_FILE, YuNetProposals

PROPOSAL_FILE = "gpen-detector-finder.onnx"
#: Grid cells of the proposal network, in pixels; image sides must be multiples of the last.
STRIDES = (4, 8, 16, 32)
#: Faces from 9 to 150 px were trained. Larger ones than this are left to the next level of the
#: pyramid, where they are as sharp as this net can use.
LARGEST_FACE = 100
#: YuNet looks at the largest copy with at most so many pixels, and at one a quarter as wide.
YUNET_PIXELS = 1_000_000
#: Lowest score of a proposal, and probability after the first look.
PROPOSAL_THRESHOLD, FIRST_THRESHOLD = 0.3, 0.02
#: A first score of the refinement network below this is doubtful.
CERTAIN = 0.9
#: Lowest proposal score and number of doubtful boxes that are tried at every rotation.
DOUBT_THRESHOLD, MOST_DOUBTFUL = 0.4, 32


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What was found in an image, before it is decided what is a face.

    Attributes:
        candidates: Scored by the refinement network, overlaps included.
        evidence: What both networks say of each.
    """

    candidates: Candidates
    evidence: Evidence


class GpenDetector:
    """Finds faces of 12 px and more, in any rotation; see `gpen.faces.detection.Detector`.

    Images with more pixels than `letterbox.MOST_PIXELS` are searched shrunk to about that number,
    so that the smallest face is a share of the image: 16 px in 2000, 0.8 % of the longer side at
    a ratio of 4:3.
    """

    name = "gpen-detector"

    def __init__(
        self,
        proposal: Path,
        refinement: Path,
        yunet: Path = ASSETS / YUNET_FILE,
        *,
        engine: str = "auto",
        device: str = "auto",
        threshold: float | None = None,
    ) -> None:
        """Open the networks.

        Args:
            proposal: Proposal network.
            refinement: Refinement network.
            yunet: YuNet, as gpen ships it.
            engine: "auto", "openvino" or "onnxruntime".
            device: A device of that engine.
            threshold: Lowest score of a face, whatever its size; None is what gpen recommends.

        Raises:
            WeightsError: A file is missing or no complete ONNX graph.
            EngineError: The engine cannot run it.
        """
        precision = fast_precision(engine, device)
        self._proposal = open_graph(
            proposal, engine=engine, device=device, precision=precision, keep=True
        )
        self._refiner = Refiner.open(refinement, engine=engine, device=device)
        self._yunet = YuNetProposals.open(yunet, engine=engine, device=device)
        self._threshold = threshold

    def detect(self, image_pixels: NDArray[np.uint8]) -> list[Face]:
        """Find faces; see `gpen.faces.detection.Detector.detect`."""
        found = self.search(image_pixels)
        rated = replace(found.candidates, scores=probability(found.evidence))
        kept = suppress_overlaps(rated, FIRST_THRESHOLD)
        least = least_probability(kept.sizes) if self._threshold is None else self._threshold
        kept = kept.take(np.flatnonzero(kept.scores >= least))
        return faces_from_arrays(kept.boxes_xyxy, kept.points_xy, kept.scores)

    def search(self, image_pixels: NDArray[np.uint8]) -> Search:
        """Everything that was looked at twice, with what the networks say of it."""
        pyramid = Pyramid(image_pixels)
        proposed = self._find_at_all_sizes(pyramid)
        yunet, sharpest = self._find_by_yunet(pyramid)
        first = self._refine_with_rotations(pyramid, Candidates.joined([proposed, yunet]))
        rated = replace(first, scores=probability(evidence_of(first, yunet, sharpest)))
        second = self._refiner.refine(pyramid, suppress_overlaps(rated, FIRST_THRESHOLD))
        return Search(second, evidence_of(second, yunet, sharpest))

    def _find_by_yunet(self, pyramid: Pyramid) -> tuple[Candidates, float]:
        """YuNet's candidates, upright faces, large and small; the largest scale it looked at."""
        sizes = (YUNET_PIXELS, YUNET_PIXELS // 16)
        levels = {level.scale: level for level in map(pyramid.with_at_most, sizes)}
        found = Candidates.joined([self._yunet.find(level) for level in levels.values()])
        return suppress_overlaps(found, PROPOSAL_THRESHOLD), max(levels)

    def _find_at_all_sizes(self, pyramid: Pyramid) -> Candidates:
        """Candidates of all levels; of one face there may be one per level."""
        found = []
        for level in pyramid.searched:
            candidates = self._find(level)
            if level is not pyramid.searched[-1]:  # the next level sees larger faces better
                small = candidates.sizes * level.scale <= LARGEST_FACE
                candidates = candidates.take(np.flatnonzero(small))
            found.append(candidates)
        return Candidates.joined(found)

    def _find(self, level: Level) -> Candidates:
        """Candidates at one level of the pyramid, in image pixels."""
        height, width = level.pixels.shape[:2]
        right, below = -width % STRIDES[-1], -height % STRIDES[-1]
        padded = cv2.copyMakeBorder(level.pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
        outputs = self._proposal.run(to_network([padded]))
        return suppress_overlaps(decode(outputs), PROPOSAL_THRESHOLD).moved(
            transforms.scaling(1 / level.scale)
        )

    def _refine_with_rotations(self, pyramid: Pyramid, found: Candidates) -> Candidates:
        """First refinement; doubtful candidates take the best rotation of their box."""
        best = self._refiner.refine(pyramid, found)
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
        turned = self._refiner.refine_rotated(pyramid, found.take(doubtful))
        better = np.flatnonzero(turned.scores > best.scores[doubtful])
        best.put(doubtful[better], turned.take(better))
        return best


def decode(outputs: Sequence[NDArray[np.float32]]) -> Candidates:
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
    return Candidates(
        np.concatenate([middle - half, middle + half], axis=1), points, sigmoid(row[:, 0])
    )
