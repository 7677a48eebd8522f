"""Doubles the size of networks in training, and keeps what they have learned.

The generator gets a new last level that contributes nothing at first, and a convolutional encoder a
new first level that passes the image on at first: the grown network returns the output of the
smaller one, enlarged. The discriminator's new first level starts untrained.

A sub-pixel generator grows at its coarse end instead: what it has learned about blocks of pixels
applies at any size, and only the new coarsest level starts untrained.
"""

from __future__ import annotations

import math
import re

from torch import Tensor, nn

from .passthrough import move_pass_through

_EXPAND = "generator.to_pixels.expand.weight"
_NUMBERED = re.compile(r"(ecd|convs\.)(\d+)\.(.*)")


def grow_generator(
    small: dict[str, Tensor], grown: nn.Module, *, pass_through: bool = False
) -> None:
    """Load the weights of a smaller generator into one of twice the size.

    Args:
        small: State of the smaller network.
        grown: The new network.
        pass_through: Whether the image passes through its last level.

    Raises:
        ValueError: The new levels are too narrow to pass the image on.
    """
    fresh = {name: value.clone() for name, value in grown.state_dict().items()}
    conv_encoder, subpixel = "ecd0.0.0.weight" in fresh, _EXPAND in fresh
    for name, value in small.items():
        target = _coarser_name(name) if subpixel else _encoder_name(name) if conv_encoder else name
        if target is not None and target in fresh and fresh[target].shape == value.shape:
            fresh[target] = value.clone()
    if subpixel:
        grown.load_state_dict(fresh)
        return
    if conv_encoder:
        fresh |= _encoder_entry(fresh, small)
    last = max(int(name.split(".")[2]) for name in fresh if name.startswith("generator.to_rgbs."))
    fresh[f"generator.to_rgbs.{last}.conv.weight"].zero_()
    if pass_through:
        move_pass_through(fresh)
    grown.load_state_dict(fresh)


def grow_discriminator(small: dict[str, Tensor], grown: nn.Module) -> None:
    """Load the weights of a smaller discriminator into one of twice the size, where they fit.

    StyleGAN2's gets a new first block. PatchGAN has a network for each image size; they stay.

    Args:
        small: State of the smaller network.
        grown: The new network.
    """
    fresh = {name: value.clone() for name, value in grown.state_dict().items()}
    shifts = "convs.1.conv1.0.weight" in fresh
    for name, value in small.items():
        match = _NUMBERED.fullmatch(name)
        if shifts and match:
            level, rest = int(match[2]), match[3]
            if level == 0:
                continue
            target = f"convs.{level + 1}.{rest}"
        else:
            target = name
        if target in fresh and fresh[target].shape == value.shape:
            fresh[target] = value.clone()
    grown.load_state_dict(fresh)


def _encoder_name(name: str) -> str | None:
    """The new name of a tensor when the encoder gets a new first level."""
    match = _NUMBERED.fullmatch(name)
    if match is None or match[1] != "ecd":
        return name
    level, rest = int(match[2]), match[3]
    return None if level == 0 else f"ecd{level + 1}.{rest}"


def _coarser_name(name: str) -> str:
    """The new name of a tensor when the synthesis network gets a new first level."""
    match = _NUMBERED.search(name)
    if match is None or match[1] != "convs.":
        return name
    return f"{name[: match.start()]}convs.{int(match[2]) + 2}.{match[3]}"


def _encoder_entry(fresh: dict[str, Tensor], small: dict[str, Tensor]) -> dict[str, Tensor]:
    """First two stages of a grown encoder; the second one returns what the first one did before.

    The new first stage passes on the image and its negative: activate(c) - activate(-c) is
    √2 · 1.2 · c. The blur of the second stage halves the size, and the middle of its kernel holds
    the old 1 × 1 kernel.
    """
    if len(fresh["ecd0.0.0.weight"]) < 6:
        raise ValueError("a network grows to levels of at least 6 channels: use a wider one")
    first, second = fresh["ecd0.0.0.weight"], fresh["ecd1.0.1.weight"]
    image = first.new_tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]).reshape(3, 3, 1, 1)
    image = image * math.sqrt(3)  # Conv multiplies by 1 / √fan_in
    first[:3], first[3:6] = image, -image
    old = small["ecd0.0.0.weight"][..., 0, 0] / math.sqrt(3)
    new = old * math.sqrt(first.shape[0] * 9) / (math.sqrt(2) * 1.2)
    second.zero_()
    second[:, :3, 1, 1], second[:, 3:6, 1, 1] = new, -new
    return {
        "ecd0.0.0.weight": first,
        "ecd1.0.1.weight": second,
        "ecd1.0.2.bias": small["ecd0.0.1.bias"],
    }
