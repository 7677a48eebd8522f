"""Degrades a face by a recipe."""

from __future__ import annotations

import cv2
import numpy as np

from .pixel_types import Random, UInt8Array
from .recipes import Chain, Recipe, Stage
from .resampling import resized
from .step_catalogue import WORKS, Step
from .tone import grey

_LIGHT = 1 / 3  # part of each range that faces of the share `light` are damaged over


def degrade(
    face: UInt8Array, random: Random, recipe: Recipe | None = None
) -> tuple[UInt8Array, UInt8Array]:
    """Damage a face, and bring it back to its size.

    Args:
        face: RGB, (S, S, 3). Blur and dots scale with S, so a face is damaged alike at all sizes.
        random: Where all choices come from: the same state gives the same damage everywhere.
        recipe: What to draw from; without one the published recipe, a fifth of it light.

    Returns:
        The damaged face and its truth, uint8 RGB (S, S, 3). The truth has the tones of the damage:
        it is grey, brown, faded or dim where the damaged face is, because a restored face is put
        back into a photo that stays so. Jitter as GFPGAN's leaves the truth as it was.
    """
    chain = _chain(recipe or Recipe(), random)
    small, truth = _damage(face, random, chain, recipe or Recipe())
    height, width = face.shape[:2]
    way = cv2.INTER_CUBIC if chain.cubic else cv2.INTER_LINEAR
    return resized(small, (width, height), way), truth


def shrink_and_damage(
    face: UInt8Array, random: Random, recipe: Recipe | None = None
) -> tuple[UInt8Array, UInt8Array]:
    """Like `degrade`, but without resizing back: (s, s, 3) and (S, S, 3)."""
    recipe = recipe or Recipe()
    return _damage(face, random, _chain(recipe, random), recipe)


def _damage(
    face: UInt8Array, random: Random, chain: Chain, recipe: Recipe
) -> tuple[UInt8Array, UInt8Array]:
    to_grey = random.random() < chain.grey
    reach = _LIGHT if random.random() < recipe.light else 1.0
    truth = face
    for stage in chain.tone:
        truth = _staged(truth, stage, random, reach)
    if to_grey:
        truth = grey(truth)
    damaged = truth
    for stage in chain.damage:
        damaged = _staged(damaged, stage, random, reach)
    if to_grey and random.random() < chain.grey_files:
        damaged = grey(damaged)
    return np.ascontiguousarray(damaged), np.ascontiguousarray(truth)


def single_step(face: UInt8Array, random: Random, step: Step, place: float) -> UInt8Array:
    """One step alone, at a place in its ranges from 0 (harmless) to 1 (worst), (S, S, 3)."""
    damaged = WORKS[step.work](face, random, **step.at(place))
    height, width = face.shape[:2]
    return resized(damaged, (width, height), cv2.INTER_LINEAR)


def _chain(recipe: Recipe, random: Random) -> Chain:
    if len(recipe.chains) == 1:
        return recipe.chains[0]
    shares = np.array([chain.share for chain in recipe.chains])
    return recipe.chains[int(random.choice(len(shares), p=shares / shares.sum()))]


def _staged(image: UInt8Array, stage: Stage, random: Random, reach: float) -> UInt8Array:
    """The image after one of the stage's steps, or none of them."""
    if stage[0].share >= 1:
        return WORKS[stage[0].work](image, random, **stage[0].draw(random, reach))
    place = random.random()
    for step in stage:
        place -= step.share
        if place < 0:
            return WORKS[step.work](image, random, **step.draw(random, reach))
    return image
