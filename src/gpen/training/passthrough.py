"""Initialises networks so that they return their input, and only have to learn what to change.

The published generator has no skip connection from input to output, but its weights can form one:
the encoder's first feature map enters the last level, whose output is a weighted sum of it. With a
colour c and a = activate, a(a(c)) - a(a(-c)) = (2 + 0.08) · c, so six channels carry the image
unchanged through both activations.

A sub-pixel network adds its output to its input; there, an output of zero is enough.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..networks.gpen import GPEN

_GAIN = 2.08


def pass_image_through(net: GPEN) -> None:
    """Set weights so that the network returns its input; everything else contributes zero.

    Args:
        net: A generator with the published encoder and concatenated features.

    Raises:
        ValueError: Its last level has fewer than 6 channels, and it is no sub-pixel network.
    """
    if net.generator.to_pixels is not None:
        nn.init.zeros_(net.generator.to_pixels.refine.weight)
        return
    state = {name: value.clone() for name, value in net.state_dict().items()}
    last = len(net.generator.to_rgbs) - 1
    for name, value in state.items():
        if ".to_rgb" in name and name.endswith(("conv.weight", "0.bias", "1.bias")):
            _silence(name, value)
    _connect(state, last)
    net.load_state_dict(state)


def move_pass_through(state: dict[str, Tensor]) -> None:
    """Move the path to the new last level after growth.

    Args:
        state: State of a grown generator whose last level returns zero; changed in place.
    """
    last = max(int(name.split(".")[2]) for name in state if name.startswith("generator.to_rgbs."))
    before = state[f"generator.to_rgbs.{last - 1}.conv.weight"]
    _add_path(before, -1)
    _connect(state, last)


def _silence(name: str, value: Tensor) -> None:
    if name.endswith("conv.weight") or value.shape == (1, 3, 1, 1):
        value.zero_()


def _connect(state: dict[str, Tensor], last: int) -> None:
    """Connect the path through the last level."""
    first, weight = state["ecd0.0.0.weight"], state[f"generator.to_rgbs.{last}.conv.weight"]
    width = len(first)
    if width < 6:
        raise ValueError(f"an image passes through levels of at least 6 channels; got {width}")
    image = torch.eye(3).to(first).reshape(3, 3, 1, 1) * math.sqrt(3)  # undoes 1 / √fan_in
    first[:3], first[3:6] = image, -image
    state["ecd0.0.1.bias"][:6] = 0
    conv = f"generator.convs.{2 * last + 1}"
    state[f"{conv}.noise.weight"].fill_(1)
    state[f"{conv}.activate.bias"][width : width + 6] = 0
    modulation = f"generator.to_rgbs.{last}.conv.modulation"
    state[f"{modulation}.weight"][width : width + 6] = 0
    state[f"{modulation}.bias"][width : width + 6] = 1
    weight[:, :, width : width + 6] = 0
    _add_path(weight, 1)


def _add_path(weight: Tensor, sign: float) -> None:
    """Add (or take away) the path's share of a to_rgb weight, (1, 3, 2 · width, 1, 1)."""
    width = weight.shape[2] // 2
    share = sign * math.sqrt(2 * width) / _GAIN
    for color in range(3):
        weight[0, color, width + color] += share
        weight[0, color, width + 3 + color] -= share
