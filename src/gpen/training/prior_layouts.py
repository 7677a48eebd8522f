"""Reads StyleGAN2 generators in both common layouts, under one set of names.

The names are those of rosinality's stylegan2-pytorch, which GPEN's own follow. NVIDIA's official
PyTorch code (stylegan2-ada-pytorch, and the StyleGAN2 of stylegan3) holds the same values, its
upsampling kernels turned alike, under names by side and without the axes of length one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UnsafeFileError, WeightsError
from ..models import load_weights

_EXPECTED = (
    "expected a StyleGAN2 generator in the layout of rosinality/stylegan2-pytorch (g_ema with "
    "style.1.weight, input.input, conv1.conv.weight, …) or of NVIDIA's PyTorch code, saved as the "
    "state_dict() of its G_ema (mapping.fc0.weight, synthesis.b4.const, …)"
)
_MARKS = ("style.1.weight", "input.input", "conv1.conv.weight", "to_rgb1.conv.weight")
#: Other networks, by the beginning of a tensor's name.
_STRANGERS = {
    "synthesis.L": "a StyleGAN3 generator",
    "synthesis.b": "a StyleGAN2 generator of NVIDIA's without RGB layers at every side",
    "style_mlp.": "a StyleGAN2 generator in BasicSR's layout",
    "generator.style.": "a GPEN generator, which network.init takes",
    "stylegan_decoder.": "a GFPGAN restorer",
}


@dataclass(frozen=True, slots=True)
class Prior:
    """A StyleGAN2 generator.

    Attributes:
        tensors: Its tensors in float32 by rosinality's names, as far as these have one.
        names: The file's own name of each.
    """

    tensors: Mapping[str, Tensor]
    names: Mapping[str, str]


def read_prior(path: Path) -> Prior:
    """Read a generator in either layout; no code in the file is run.

    Raises:
        UnsafeFileError: The file would run code when loaded.
        WeightsError: It is something else.
    """
    try:
        stored = load_weights(path).tensors
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{error}; {_EXPECTED}", path=path) from error
    tensors: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    for own, value in stored.items():
        tensor = torch.from_numpy(np.array(value.float32()))
        name, shape = _common(own, tuple(tensor.shape))
        tensors[name], names[name] = tensor.reshape(shape), own
    missing = [name for name in _MARKS if name not in tensors]
    if missing:
        raise WeightsError(f"{path.name} is {_stranger(list(stored), missing[0])}; {_EXPECTED}")
    return Prior(tensors, names)


def _stranger(names: list[str], missing: str) -> str:
    """What a file holds that is no prior."""
    for beginning, what in _STRANGERS.items():
        if any(name.startswith(beginning) for name in names):
            return what
    first = ", ".join(names[:3]) or "no tensors"
    return f"no prior ({first}, …; {missing} is missing)"


_Shape = tuple[int, ...]


def _same(shape: _Shape) -> _Shape:
    return shape


def _with_one_before(shape: _Shape) -> _Shape:
    return (1, *shape)


#: Ends of NVIDIA's names of a modulated convolution: rosinality's, and the shape there.
_CONVOLUTION: Mapping[str, tuple[str, Callable[[_Shape], _Shape]]] = {
    "weight": ("conv.weight", _with_one_before),
    "affine.weight": ("conv.modulation.weight", _same),
    "affine.bias": ("conv.modulation.bias", _same),
    "noise_strength": ("noise.weight", lambda _shape: (1,)),
    "resample_filter": ("conv.blur.kernel", _same),
}
_BIASES: Mapping[str, tuple[str, Callable[[_Shape], _Shape]]] = {
    "conv": ("activate.bias", _same),
    "torgb": ("bias", lambda shape: (1, *shape, 1, 1)),
}


def _common(name: str, shape: _Shape) -> tuple[str, _Shape]:
    """Rosinality's name and shape of a tensor of NVIDIA's; any other stays as it is."""
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", name):
        return f"style.{int(match[1]) + 1}.{match[2]}", shape
    if name == "synthesis.b4.const":
        return "input.input", (1, *shape)
    if match := re.fullmatch(r"synthesis\.b(\d+)\.resample_filter", name):
        level = _level(match[1])
        return (f"to_rgbs.{level - 1}.upsample.kernel" if level else name), shape
    if match := re.fullmatch(r"synthesis\.b(\d+)\.(conv|torgb)([01]?)\.([\w.]+)", name):
        return _common_in_layer(name, shape, match)
    return name, shape


def _level(side: str) -> int:
    return int(side).bit_length() - 3


def _common_in_layer(name: str, shape: _Shape, match: re.Match[str]) -> tuple[str, _Shape]:
    """The same for a tensor of a convolution: side, kind, number and end of its name."""
    level, kind, number, end = _level(match[1]), match[2], int(match[3] or 0), match[4]
    if end == "noise_const":
        return f"noises.noise_{2 * level - 1 + number}", (1, 1, *shape)
    known = _BIASES[kind] if end == "bias" else _CONVOLUTION.get(end)
    if known is None:
        return name, shape
    if kind == "torgb":
        layer = f"to_rgbs.{level - 1}" if level else "to_rgb1"
    else:
        layer = f"convs.{2 * level - 2 + number}" if level else "conv1"
    end, reshaped = known
    return f"{layer}.{end}", reshaped(shape)
