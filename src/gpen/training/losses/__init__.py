"""Losses, each a function of tensors, or a network read from a file that the user names."""

from __future__ import annotations

from .adversarial import discriminator_loss, feature_matching, generator_loss
from .reconstruction import importance_map, l1, l1_coarse, l2, smooth_l1
from .regularisation import lecam, path_length_penalty, path_lengths, r1_penalty
from .texture import texture

__all__ = [
    "discriminator_loss",
    "feature_matching",
    "generator_loss",
    "importance_map",
    "l1",
    "l1_coarse",
    "l2",
    "lecam",
    "path_length_penalty",
    "path_lengths",
    "r1_penalty",
    "smooth_l1",
    "texture",
]
