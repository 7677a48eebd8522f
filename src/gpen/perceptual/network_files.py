"""Reads weight files of perceptual networks, with clear errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import TrainingError, WeightsError
from ..models import load_weights


def unsuitable(path: Path, setting: str, reason: str, expected: str) -> TrainingError:
    """The error for a file that cannot do its work.

    Args:
        path: The file.
        setting: What names it in a training config, as `files.vgg19`.
        reason: What is wrong, as the end of "the file …".
        expected: What it should be, and where people get that.
    """
    return TrainingError(f"{path} {reason}; {setting} must name {expected}")


def read_tensors(path: Path, setting: str, expected: str) -> dict[str, Tensor]:
    """The tensors of a .pth, .ckpt or .safetensors file as float32, by name.

    Args:
        path: The file; nothing in it is run.
        setting: What names it in a training config.
        expected: What it should be, for the error.

    Raises:
        TrainingError: It is missing, damaged or holds no tensors.
    """
    if not path.is_file():
        raise unsuitable(path, setting, "does not exist", expected)
    try:
        stored = load_weights(path).tensors
    except WeightsError as error:
        raise unsuitable(path, setting, f"cannot be read ({error})", expected) from error
    # A copy: the file is mapped, and torch would own memory that it must not write to.
    return {name: torch.from_numpy(np.array(tensor.float32())) for name, tensor in stored.items()}


def fill(
    net: nn.Module, tensors: Mapping[str, Tensor], path: Path, setting: str, expected: str
) -> None:
    """Give a network its weights, and freeze it; tensors it has no use for are ignored.

    Raises:
        TrainingError: Tensors are missing or have other shapes.
    """
    state = net.state_dict()
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):  # means nothing once training is over
            continue
        shape = tuple(tensors[name].shape) if name in tensors else None
        if shape != tuple(value.shape):
            found = "no such tensor" if shape is None else f"one of shape {shape}"
            reason = f"does not fit: {name} should have shape {tuple(value.shape)}, found {found}"
            raise unsuitable(path, setting, reason, expected)
        state[name] = tensors[name]
    net.load_state_dict(state)
    net.eval().requires_grad_(requires_grad=False)
