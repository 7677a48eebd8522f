"""Batches for both networks, and hard negatives mined from the detector's mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gpen.faces.detectors.gpen_detector import GpenDetector
from gpen.faces.detectors.refinement_crops import CROP_SIZE, crop_matrix
from gpen.images import transforms
from gpen.perceptual.image_tensors import to_tensor

from .crops import MISTAKE_SIZE, refinement_sample
from .loop import Batch, Recipe
from .mosaics import Target, mosaic, view
from .photos import Photo, Picture
from .targets import proposal_targets

#: Side of the scenes that are searched for mistakes.
SCENE_SIDE = 256
#: Lowest score of a mistake.
MISTAKE_THRESHOLD = 0.05


def to_network(images: Sequence[Picture] | NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (N, H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    tensor = to_tensor(np.asarray(images))
    return tensor.contiguous(memory_format=torch.channels_last)


def proposal_batch(rng: np.random.Generator, photos: Sequence[Photo], recipe: Recipe) -> Batch:
    """Mosaics and the proposal network's wanted answers, (N, cells, COLUMNS)."""
    drawn = [mosaic(rng, photos, recipe.side) for _ in range(recipe.batch)]
    wanted = np.stack([proposal_targets(faces, recipe.side) for _, faces in drawn])
    return to_network(np.stack([image for image, _ in drawn])), torch.from_numpy(wanted)


def refinement_batch(
    rng: np.random.Generator,
    photos: Sequence[Photo],
    recipe: Recipe,
    mistakes: Sequence[Picture] = (),
) -> Batch:
    """Crops and the refinement network's wanted answers, (N, 16)."""
    drawn = [refinement_sample(rng, photos, mistakes) for _ in range(recipe.batch)]
    wanted = np.stack(
        [np.concatenate([[s.is_face], s.output, [s.placed]]).astype(np.float32) for s in drawn]
    )
    return to_network(np.stack([s.crop for s in drawn])), torch.from_numpy(wanted)


def mine_mistakes(
    detector: GpenDetector, photos: Sequence[Photo], *, count: int, seed: int
) -> NDArray[np.uint8]:
    """Images of what a detector takes for faces where there are none.

    Args:
        detector: With a low threshold, so that it also names what it nearly fell for.
        photos: To build mosaics from and to look into; half of the scenes are either.
        count: Scenes to look at.
        seed: Of all chance.

    Returns:
        (M, MISTAKE_SIZE, MISTAKE_SIZE, 3), turned upright as the detector thinks.
    """
    mistakes: list[Picture] = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        if number % 2:
            scene, faces = mosaic(rng, photos, SCENE_SIDE)
        else:
            scene, faces = view(rng, photos[int(rng.integers(len(photos)))], SCENE_SIDE)
        mistakes += _mistakes(detector, scene, faces)
    empty = np.zeros((0, MISTAKE_SIZE, MISTAKE_SIZE, 3), np.uint8)
    return np.stack(mistakes) if mistakes else empty


def _mistakes(detector: GpenDetector, scene: Picture, faces: Sequence[Target]) -> list[Picture]:
    """What the detector sees in a scene away from its faces."""
    margin = (MISTAKE_SIZE - CROP_SIZE) / 2
    middles = np.array([(f.box_xyxy[:2] + f.box_xyxy[2:]) / 2 for f in faces]).reshape(-1, 2)
    sizes = np.array([face.size for face in faces])
    mistakes = []
    for found in detector.detect(scene):
        away = np.hypot(*(middles - found.points_xy.mean(axis=0)).T)
        if (away < 0.6 * (sizes + found.size_px)).any():
            continue
        matrix = transforms.compose(
            transforms.shifting(margin, margin), crop_matrix(found.points_xy)
        )
        side = (MISTAKE_SIZE, MISTAKE_SIZE)
        mistakes.append(transforms.warp(scene, matrix, side, border="replicate"))
    return mistakes
