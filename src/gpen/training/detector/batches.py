"""Batches for both networks, and the finder's mistakes for the refiner to learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ... import geometry
from ...detectors.crops import CROP_SIZE, crop_matrix
from ...nets.detector import STRIDES, Finder, Refiner
from .crops import MISTAKE_SIZE, refiner_sample
from .loop import Batch, Recipe
from .mosaics import Target, mosaic, view
from .photos import Photo, Picture
from .targets import finder_targets

#: Side of the scenes that are searched for mistakes.
SCENE_SIDE = 256
#: Lowest score of a mistake: the finder's; the refiner's of a hard one; how many others are kept.
MISTAKE_THRESHOLD, HARD_SCORE, EASY_SHARE = 0.15, 0.02, 0.2


def to_network(pictures: Sequence[Picture] | NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (N, H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    stacked = torch.from_numpy(np.ascontiguousarray(pictures))
    return (stacked.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(
        memory_format=torch.channels_last
    )


def finder_batch(rng: np.random.Generator, photos: Sequence[Photo], recipe: Recipe) -> Batch:
    """Mosaics and the finder's wanted answers, (N, cells, COLUMNS)."""
    drawn = [mosaic(rng, photos, recipe.side) for _ in range(recipe.batch)]
    wanted = np.stack([finder_targets(faces, recipe.side) for _, faces in drawn])
    return to_network(np.stack([picture for picture, _ in drawn])), torch.from_numpy(wanted)


def refiner_batch(
    rng: np.random.Generator,
    photos: Sequence[Photo],
    recipe: Recipe,
    mistakes: Sequence[Picture] = (),
) -> Batch:
    """Crops and the refiner's wanted answers, (N, 16)."""
    drawn = [refiner_sample(rng, photos, mistakes) for _ in range(recipe.batch)]
    wanted = np.stack(
        [np.concatenate([[s.is_face], s.answer, [s.placed]]).astype(np.float32) for s in drawn]
    )
    return to_network(np.stack([s.crop for s in drawn])), torch.from_numpy(wanted)


@torch.no_grad()
def mine_mistakes(
    finder: Finder, refiner: Refiner | None, photos: Sequence[Photo], *, count: int, seed: int
) -> NDArray[np.uint8]:
    """Pictures of what the finder takes for faces where there are none.

    Args:
        finder: A trained finder.
        refiner: Where there is one already, most of what it sees through is left out.
        photos: To build mosaics from and to look into; half of the scenes are either.
        count: Scenes to look at.
        seed: Of all chance.

    Returns:
        (M, MISTAKE_SIZE, MISTAKE_SIZE, 3), turned upright as the finder thinks.
    """
    finder.eval()
    mistakes: list[Picture] = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        if number % 2:
            scene, faces = mosaic(rng, photos, SCENE_SIDE)
        else:
            scene, faces = view(rng, photos[int(rng.integers(len(photos)))], SCENE_SIDE)
        found = _mistakes(finder, scene, faces)
        if refiner is not None and found:
            found = _hard_ones(rng, refiner.eval(), found)
        mistakes += found
    empty = np.zeros((0, MISTAKE_SIZE, MISTAKE_SIZE, 3), np.uint8)
    return np.stack(mistakes) if mistakes else empty


def _mistakes(finder: Finder, scene: Picture, faces: Sequence[Target]) -> list[Picture]:
    """What the finder sees in a scene away from its faces."""
    margin = (MISTAKE_SIZE - CROP_SIZE) / 2
    middles = np.array([(f.box_xyxy[:2] + f.box_xyxy[2:]) / 2 for f in faces]).reshape(-1, 2)
    sizes = np.array([face.size for face in faces])
    mistakes = []
    for points, size in _finds(finder(to_network(scene[None])), MISTAKE_THRESHOLD):
        away = np.hypot(*(middles - points.mean(axis=0)).T)
        if (away < 0.6 * (sizes + size)).any():
            continue
        matrix = geometry.compose(geometry.shifting(margin, margin), crop_matrix(points))
        side = (MISTAKE_SIZE, MISTAKE_SIZE)
        mistakes.append(geometry.warp(scene, matrix, side, border="replicate"))
    return mistakes


def _hard_ones(
    rng: np.random.Generator, refiner: Refiner, mistakes: Sequence[Picture]
) -> list[Picture]:
    """Those that the refiner may fall for, and a few of the others."""
    margin = (MISTAKE_SIZE - CROP_SIZE) // 2
    inner = slice(margin, margin + CROP_SIZE)
    scores = torch.sigmoid(refiner(to_network(np.stack(mistakes)[:, inner, inner]))[:, 0])
    keep = (scores.numpy() > HARD_SCORE) | (rng.random(len(mistakes)) < EASY_SHARE)
    return [mistake for mistake, wanted in zip(mistakes, keep, strict=True) if wanted]


def _finds(answers: Sequence[Tensor], threshold: float) -> list[tuple[NDArray[np.float64], float]]:
    """Points and size of every cell that scores high and higher than its neighbours."""
    found = []
    for stride, answer in zip(STRIDES, answers, strict=True):
        score = torch.sigmoid(answer[:, :1])
        peak = score == torch.nn.functional.max_pool2d(score, 3, 1, 1)
        for row, column in torch.nonzero((peak & (score > threshold))[0, 0]).tolist():
            values = answer[0, :, row, column].double().numpy()
            cell = (np.array([column, row]) + 0.5) * stride - 0.5
            points = values[5:].reshape(5, 2) * stride + cell
            found.append((points, float(stride * math.exp(values[3:5].mean()))))
    return found
