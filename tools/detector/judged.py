"""Scenes with and without a face, and what the detector's networks say there.

From these the weights of `gpen.faces.detectors.face_scores` are fitted, and measured on others how
often faces of each score are faces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.faces.detectors.face_scores import columns
from gpen.faces.detectors.gpen_detector import GpenDetector
from gpen.faces.detectors.network_planes import sigmoid
from gpen.faces.detectors.refinement_crops import ellipse_box
from gpen.types import Float64Array

from .damage import damage
from .faceless import faceless_region, texture
from .photos import Label, Photo, Picture, middle_of, placing

Random = np.random.Generator

#: Sides of scenes without a face, in pixels.
SIDES = (144, 256)
#: Overlap with a label from which a candidate is the face.
FOUND_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image, and the box of its face; None where it shows none."""

    image: Picture
    box_xyxy: Float64Array | None


def face_scenes(rng: Random, photos: Sequence[Photo], count: int) -> Iterator[Scene]:
    """Faces of 12 px and more, half of them damaged, a third turned by any angle."""
    known = [(p, p.labels[0]) for p in photos if len(p.labels) == 1 and p.labels[0].verified]
    for _ in range(count):
        yield _face_scene(rng, *known[int(rng.integers(len(known)))])


def _face_scene(rng: Random, photo: Photo, label: Label) -> Scene:
    size = float(np.exp(rng.uniform(math.log(12), math.log(160))))
    turn = rng.uniform(-math.pi, math.pi) if rng.random() < 0.33 else rng.normal(0, 0.15)
    side = int(np.clip(size * rng.uniform(2.2, 6), 96, 320))
    at = (side - 1) / 2 + rng.uniform(-0.5, 0.5, 2) * max(0.0, side - 1.6 * size)
    matrix = placing(middle_of(label), size / label.size, float(turn), at)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_REFLECT_101
    image = photo.warp(matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    if rng.random() < 0.5:
        image = damage(rng, image, size)
    return Scene(image, ellipse_box(label.box_xyxy, matrix))


def faceless_scenes(
    rng: Random, photos: Sequence[Photo], images: Sequence[Picture], count: int
) -> Iterator[Scene]:
    """What photos hold beside faces, drawn textures, and given images.

    Args:
        rng: Source of chance.
        photos: To look into.
        images: Without faces, such as animals: a third of the scenes are parts of these.
        count: Scenes.
    """
    for number in range(count):
        side = int(rng.integers(*SIDES))
        photo = photos[int(rng.integers(len(photos)))]
        if number % 3 == 0 and images:
            image = _part(rng, images[int(rng.integers(len(images)))], side)
        elif number % 3 == 1:
            image = texture(rng, side)
        else:
            region = faceless_region(rng, photo, side)
            image = texture(rng, side) if region is None else region
        yield Scene(damage(rng, image, 48) if rng.random() < 0.3 else image, None)


def _part(rng: Random, image: Picture, side: int) -> Picture:
    """An image as a whole or a square of it, at a side, perhaps mirrored."""
    height, width = image.shape[:2]
    cut = int(min(height, width) * rng.uniform(0.5, 1))
    top, left = int(rng.integers(height - cut + 1)), int(rng.integers(width - cut + 1))
    part = image[top : top + cut, left : left + cut]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    way = cv2.INTER_AREA if cut > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (side, side), interpolation=way), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Candidates of many scenes.

    Attributes:
        columns: See `face_scores.columns`, (N, 5).
        is_face: (N,).
        missed: Faces without any candidate.
    """

    columns: Float64Array
    is_face: NDArray[np.bool_]
    missed: int


def judge(detector: GpenDetector, scenes: Iterator[Scene]) -> Judged:
    """Look at scenes; of each face the surest candidate counts, of other images all of them."""
    rows, truths, missed = [], [], 0
    for scene in scenes:
        found = detector.search(scene.image)
        values = columns(found.evidence)
        if scene.box_xyxy is None:
            rows.append(values)
            truths.append(np.zeros(len(values), bool))
            continue
        alike = np.array([overlap(b, scene.box_xyxy) for b in found.candidates.boxes_xyxy])
        right = np.flatnonzero(alike >= FOUND_IOU)
        if not len(right):
            missed += 1
            continue
        best = right[found.candidates.scores[right].argmax()]
        rows.append(values[best : best + 1])
        truths.append(np.ones(1, bool))
    return Judged(np.concatenate(rows), np.concatenate(truths), missed)


def joined(*parts: Judged) -> Judged:
    """All candidates as one."""
    return Judged(
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.is_face for part in parts]),
        sum(part.missed for part in parts),
    )


def overlap(one: Float64Array, other: Float64Array) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.clip(sides, 0, None))
    both = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])
    return float(shared / (both - shared))


def fit(judged: Judged, steps: int = 50, ridge: float = 1.0) -> Float64Array:
    """Weights of the logistic regression with the highest likelihood, by Newton's method."""
    x, y = judged.columns, judged.is_face.astype(np.float64)
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        p = sigmoid(x @ weights)
        slope = x.T @ (y - p) - ridge * weights
        bend = (x * (p * (1 - p))[:, None]).T @ x + ridge * np.eye(len(weights))
        weights = weights + np.linalg.solve(bend, slope)
    return weights
