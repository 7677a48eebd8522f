"""Mosaics for the proposal network: patchworks of photo parts with faces of all sizes and turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gpen.faces.detectors.refinement_crops import ellipse_box
from gpen.images import transforms
from gpen.types import Float64Array

from .damage import damage, occlude, soften
from .faceless import faceless_region, shuffled, texture
from .photos import Label, Photo, Picture, middle_of, placing

Random = np.random.Generator

#: Points after a left-right flip.
FLIPPED = [1, 0, 2, 4, 3]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A face of a training image; `certain` ones must be found, others may be."""

    box_xyxy: Float64Array
    points_xy: Float64Array
    size: float
    certain: bool
    placed: bool  # the points are trustworthy


def mosaic(rng: Random, photos: Sequence[Photo], side: int) -> tuple[Picture, list[Target]]:
    """A square patchwork of photo parts with faces of all sizes and turns, and of other things.

    Args:
        rng: Source of chance.
        photos: What to take the parts from.
        side: Side of the mosaic in pixels.

    Returns:
        uint8 RGB (side, side, 3) and its faces.
    """
    canvas = np.zeros((side, side, 3), np.uint8)
    targets: list[Target] = []
    for x, y, width, height in _cells(rng, side, side, int(rng.integers(0, 5))):
        part, found = _cell(rng, photos, width, height)
        canvas[y : y + height, x : x + width] = part
        shift = np.array([x, y], np.float64)
        for t in found:
            box = t.box_xyxy + np.concatenate([shift, shift])
            targets.append(Target(box, t.points_xy + shift, t.size, t.certain, t.placed))
    smallest = min((t.size for t in targets), default=40.0)
    return damage(rng, canvas, smallest), targets


def view(rng: Random, photo: Photo, side: int) -> tuple[Picture, list[Target]]:
    """A square window into one photo, anywhere in it, at any size and turn.

    Returns:
        uint8 RGB (side, side, 3) and the faces that show.
    """
    height, width = photo.levels[0].shape[:2]
    scale = math.exp(rng.uniform(math.log(0.4), math.log(2.5)))
    turn = rng.uniform(-0.3, 0.3) if rng.random() < 0.6 else rng.uniform(-math.pi, math.pi)
    flip = rng.random() < 0.5
    at = np.full(2, (side - 1) / 2)
    matrix = placing(rng.uniform([0, 0], [width, height]), scale, turn, at, flip=flip)
    window = photo.warp(
        matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    targets = [target_of(label, matrix, flip, side, side) for label in photo.labels]
    found = [target for target in targets if target is not None]
    if rng.random() < 0.5:
        window = damage(rng, window, min((target.size for target in found), default=40.0))
    return window, found


def _cells(rng: Random, width: int, height: int, depth: int) -> list[tuple[int, int, int, int]]:
    """Cut a rectangle in two, `depth` times over, at uneven places."""
    if depth == 0 or min(width, height) < 28 or rng.random() < 0.1:
        return [(0, 0, width, height)]
    share = rng.uniform(0.3, 0.7)
    if rng.random() < width / (width + height):
        cut = int(width * share)
        second = [(x + cut, y, w, h) for x, y, w, h in _cells(rng, width - cut, height, depth - 1)]
        return _cells(rng, cut, height, depth - 1) + second
    cut = int(height * share)
    second = [(x, y + cut, w, h) for x, y, w, h in _cells(rng, width, height - cut, depth - 1)]
    return _cells(rng, width, cut, depth - 1) + second


def _cell(
    rng: Random, photos: Sequence[Photo], width: int, height: int
) -> tuple[Picture, list[Target]]:
    photo = photos[int(rng.integers(len(photos)))]
    size = max(width, height)
    if rng.random() < 0.2:
        other = shuffled(rng, photo, size) if rng.random() < 0.2 else None
        if other is None and rng.random() < 0.6:
            other = faceless_region(rng, photo, size)
        if other is None:
            other = texture(rng, size)
        return other[:height, :width], []
    label = photo.labels[int(rng.integers(len(photo.labels)))]
    largest = 0.95 * min(width, height)
    face = float(np.exp(rng.uniform(math.log(9), math.log(max(14, largest)))))
    turn = rng.uniform(-0.5, 0.5) if rng.random() < 0.4 else rng.uniform(-math.pi, math.pi)
    flip = rng.random() < 0.5
    at = rng.uniform([0, 0], [width, height])
    reach = np.minimum(0.5 * face, np.array([width, height]) / 2)
    if rng.random() < 0.85:  # else it may be cut by the edge
        at = np.clip(at, reach, np.array([width, height]) - reach)
    matrix = placing(middle_of(label), face / label.size, turn, at, flip=flip)
    part = _paste(rng, photos, photo, matrix, (width, height))
    all_targets = (target_of(other, matrix, flip, width, height) for other in photo.labels)
    targets = [target for target in all_targets if target is not None]
    for target in targets:
        if rng.random() < 0.12:
            occlude(rng, part, target.points_xy, target.size)
    if rng.random() < 0.3:
        part = soften(rng, part, face)
    return part, targets


def _paste(
    rng: Random,
    photos: Sequence[Photo],
    photo: Photo,
    matrix: Float64Array,
    size_wh: tuple[int, int],
) -> Picture:
    """A photo brought to its place; beyond its border lies something else, or its edge."""
    width, height = size_wh
    kind = rng.random()
    if kind < 0.4:
        return photo.warp(matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    other = photos[int(rng.integers(len(photos)))]
    ground = faceless_region(rng, other, max(size_wh)) if kind < 0.75 else None
    if ground is None:
        ground = texture(rng, max(size_wh))
    ground = np.ascontiguousarray(ground[:height, :width])
    return photo.warp(
        matrix, size_wh, dst=ground, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )


def target_of(
    label: Label, matrix: Float64Array, flip: bool, width: int, height: int
) -> Target | None:
    """A label as it lies in a cell; None where nothing of it shows."""
    points = transforms.apply(matrix, label.points_xy)
    if flip:
        points = points[FLIPPED]
    box = ellipse_box(label.box_xyxy, matrix)
    size = label.size * transforms.scale_of(matrix)
    low, high = np.maximum(box[:2], -0.5), np.minimum(box[2:], [width - 0.5, height - 0.5])
    if (high <= low).any():
        return None
    shown = float(np.prod(high - low) / np.prod(box[2:] - box[:2]))
    inside = ((points > -0.5) & (points < [width - 0.5, height - 0.5])).all(axis=1).sum()
    certain = shown > 0.6 and inside >= 4 and size >= 8
    return Target(box, points, size, certain, label.verified)
