"""Crops for the refinement network: faces as proposed, and what only looks like one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.faces.detectors.refinement_crops import CROP_SIZE, EYE_DISTANCE, TEMPLATE_XY, cut_crop
from gpen.images import transforms
from gpen.types import Float64Array

from .damage import damage, occlude
from .faceless import faceless_region, shuffled, texture
from .mosaics import Target, target_of
from .photos import Label, Photo, Picture, middle_of, placing

Random = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class RefinementSample:
    """A crop and its target, in the units of `RefinementNetwork.forward`."""

    crop: Picture
    is_face: bool
    output: NDArray[np.float32]  # (14,): points, box centre, box log size
    placed: bool


#: Side of a mistake's image: the refinement network's crop with a margin.
MISTAKE_SIZE = 96


def refinement_sample(
    rng: Random, photos: Sequence[Photo], mistakes: Sequence[Picture] = ()
) -> RefinementSample:
    """A crop as the proposal network would hand it over: of a face, or of what looks like one."""
    kind = rng.random()
    if kind < 0.56:
        return _face_sample(rng, photos)
    if kind < 0.66:
        return _misplaced_sample(rng, photos)
    if len(mistakes) and kind < 0.93:
        return _mistake_sample(rng, mistakes)
    return _other_sample(rng, photos)


def _face_size(rng: Random) -> float:
    """Mostly small: that is where placing points is hard."""
    low, high = (8, 48) if rng.random() < 0.65 else (40, 200)
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _scene(
    rng: Random, photo: Photo, label: Label, face: float
) -> tuple[Picture, Float64Array, Target]:
    """A damaged patch of a photo around a face of size `face`, with its label."""
    turn = rng.uniform(-0.5, 0.5) if rng.random() < 0.6 else rng.uniform(-math.pi, math.pi)
    side = math.ceil(face * 2.7) + 4
    at = (side - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    flip = rng.random() < 0.5
    matrix = placing(middle_of(label), face / label.size, turn, at, flip=flip)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.6 else cv2.BORDER_CONSTANT
    patch = photo.warp(matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    target = target_of(label, matrix, flip, side, side)
    if target is None:
        raise AssertionError("a face in the middle of its patch must show")
    if rng.random() < 0.2:
        occlude(rng, patch, target.points_xy, face)
    patch = damage(rng, patch, face)
    if rng.random() < 0.1:  # a face cut by the border of the photo
        cut = int(side * rng.uniform(0.2, 0.42))
        patch = np.rot90(patch, int(k := rng.integers(4)))
        edge = patch[cut : cut + 1] if border == cv2.BORDER_REPLICATE else np.zeros_like(patch[:1])
        patch = np.vstack([np.repeat(edge, cut, axis=0), patch[cut:]])
        patch = np.ascontiguousarray(np.rot90(patch, -int(k)))
    return patch, matrix, target


def _jitter(rng: Random, amount: float) -> Float64Array:
    """Shift in box widths, scale and rotation, as the proposal network errs."""
    half = (CROP_SIZE - 1) / 2
    at = half + rng.uniform(-1, 1, 2) * amount * 0.15 * EYE_DISTANCE / 0.447
    scale = math.exp(rng.uniform(-1, 1) * amount * 0.22)
    turn = rng.uniform(-1, 1) * amount * math.radians(20)
    return placing(np.array([half, half]), scale, turn, at)


def _face_sample(rng: Random, photos: Sequence[Photo]) -> RefinementSample:
    photo = photos[int(rng.integers(len(photos)))]
    label = photo.labels[int(rng.integers(len(photo.labels)))]
    patch, _, target = _scene(rng, photo, label, _face_size(rng))
    upright = transforms.fit_similarity(target.points_xy, TEMPLATE_XY)
    amount = float(rng.choice([1.0, 0.5, 0.2]))
    crop_from_patch = transforms.compose(_jitter(rng, amount), upright)
    output = refinement_target(target, crop_from_patch, label)
    return RefinementSample(cut_crop(patch, crop_from_patch), True, output, target.placed)


def refinement_target(
    target: Target, crop_from_patch: Float64Array, label: Label
) -> NDArray[np.float32]:
    """Points, box centre and box size in the refinement network's units."""
    points = (transforms.apply(crop_from_patch, target.points_xy) - TEMPLATE_XY) / EYE_DISTANCE
    middle = transforms.apply(crop_from_patch, (target.box_xyxy[:2] + target.box_xyxy[2:]) / 2)
    middle = (middle - (CROP_SIZE - 1) / 2) / EYE_DISTANCE
    size_wh = label.box_xyxy[2:] - label.box_xyxy[:2]
    scale = target.size / label.size * transforms.scale_of(crop_from_patch) / EYE_DISTANCE
    return np.concatenate([points.ravel(), middle, np.log(size_wh * scale)]).astype(np.float32)


_NOTHING = np.zeros(14, np.float32)


def _misplaced_sample(rng: Random, photos: Sequence[Photo]) -> RefinementSample:
    """A face, but turned the wrong way, far too large or small, or beside the crop."""
    photo = photos[int(rng.integers(len(photos)))]
    label = photo.labels[int(rng.integers(len(photo.labels)))]
    patch, _, target = _scene(rng, photo, label, _face_size(rng) * 1.5)
    half = (CROP_SIZE - 1) / 2
    at, scale, turn = np.array([half, half]), 1.0, float(rng.uniform(-0.3, 0.3))
    kind = rng.random()
    if kind < 0.35:
        turn = float(rng.uniform(math.radians(65), math.radians(295)))
    elif kind < 0.75:
        scale = float(rng.uniform(2.4, 5.0))
        direction = rng.uniform(0, 2 * math.pi)
        away = rng.uniform(0, 0.5) * CROP_SIZE * scale / 2
        at = at + away * np.array([math.cos(direction), math.sin(direction)])
    else:
        direction = rng.uniform(0, 2 * math.pi)
        away = rng.uniform(0.75, 1.3) * EYE_DISTANCE / 0.447
        at = at + away * np.array([math.cos(direction), math.sin(direction)])
    upright = transforms.fit_similarity(target.points_xy, TEMPLATE_XY)
    wrong = placing(np.array([half, half]), scale, turn, at)
    crop = cut_crop(patch, transforms.compose(wrong, upright))
    return RefinementSample(crop, False, _NOTHING, False)


def _mistake_sample(rng: Random, mistakes: Sequence[Picture]) -> RefinementSample:
    """What the detector took for a face: (MISTAKE_SIZE, MISTAKE_SIZE, 3), upright as it thought.

    Half of them are turned by any angle: the detector looks at doubtful boxes every way.
    """
    image = mistakes[int(rng.integers(len(mistakes)))]
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    if rng.random() < 0.5:
        image = damage(rng, image, EYE_DISTANCE * 2)
    margin = (MISTAKE_SIZE - CROP_SIZE) / 2
    matrix = transforms.compose(_jitter(rng, 1.0), transforms.shifting(-margin, -margin))
    if rng.random() < 0.5:
        half = np.full(2, (CROP_SIZE - 1) / 2)
        turned = placing(half, 1.0, float(rng.uniform(-math.pi, math.pi)), half)
        matrix = transforms.compose(turned, matrix)
    return RefinementSample(cut_crop(image, matrix), False, _NOTHING, False)


def _other_sample(rng: Random, photos: Sequence[Photo]) -> RefinementSample:
    photo = photos[int(rng.integers(len(photos)))]
    side = int(rng.integers(16, 97))
    patch = faceless_region(rng, photo, side) if rng.random() < 0.6 else None
    if patch is None:
        whole = shuffled(rng, photo, side) if rng.random() < 0.25 else texture(rng, side)
        patch = whole
    patch = damage(rng, patch, side / 2)
    half = (CROP_SIZE - 1) / 2
    scale = CROP_SIZE / side * float(rng.uniform(1.0, 1.5))
    turn = float(rng.uniform(-math.pi, math.pi))
    matrix = placing(np.full(2, (side - 1) / 2), scale, turn, np.array([half, half]))
    return RefinementSample(cut_crop(patch, matrix), False, _NOTHING, False)
