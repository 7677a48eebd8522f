"""Degrades sharp faces, by published recipes and by those of real photos.

A recipe is a table (`recipes`); a step is a small function of an image, a random generator and its
strengths (`blur`, `resampling`, `noise`, `compression`, `prints`, `tone`); `sampling` goes through
a recipe. The same generator gives the same damage in every process.
"""

from .pixel_types import UInt8Array
from .recipes import PRESETS, Chain, Recipe, recipe
from .sampling import degrade, shrink_and_damage, single_step
from .step_catalogue import CATALOGUE, Step

__all__ = [
    "CATALOGUE",
    "PRESETS",
    "Chain",
    "Recipe",
    "Step",
    "UInt8Array",
    "degrade",
    "recipe",
    "shrink_and_damage",
    "single_step",
]
