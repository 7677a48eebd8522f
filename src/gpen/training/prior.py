"""Initialises a generator from a StyleGAN2 prior, and reports what became of each tensor.

Source: GPEN (Yang et al., CVPR 2021), section 3.2: the synthesis network is first trained as a GAN
of faces.

With StyleGAN2's own layers (injection "concat" or "add", upsampling "blur") the network then
returns what the prior returns without noise. With "concat", layers have twice as many inputs: the
prior's weights fill the half for the image, and the half for the encoder features starts at zero,
so that features have no influence at first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..errors import WeightsError
from ..networks.gpen import GPEN, GPENConfig
from .prior_distance import distance_from_prior
from .prior_layouts import read_prior

Status = Literal["taken", "taken in part", "new", "left out"]


@dataclass(frozen=True, slots=True)
class PriorRow:
    """What became of one tensor.

    Attributes:
        name: The network's tensor; the prior's where it was left out.
        status: What became of it.
        why: The reason, empty where a tensor was taken as it is.
    """

    name: str
    status: Status
    why: str = ""


@dataclass(frozen=True, slots=True)
class PriorImport:
    """What became of a prior.

    Attributes:
        rows: One for each tensor of the network's synthesis, then for each left out of the prior.
        distance: How far the network's output is from the prior's own: see `distance_from_prior`.
    """

    rows: tuple[PriorRow, ...]
    distance: float | None

    def summary(self) -> str:
        """The number of tensors by status, and the distance of the output, in one line."""
        counts = Counter(row.status for row in self.rows)
        counted = ", ".join(f"{count} {status}" for status, count in counts.items())
        if self.distance is None:
            return f"tensors: {counted} · output not compared, for the prior is incomplete"
        return (
            f"tensors: {counted} · output off the prior's own by {self.distance:.1%} of its "
            "deviation"
        )

    def report(self) -> str:
        """The summary, then one line for each tensor."""
        width = max(len(row.name) for row in self.rows)
        lines = [f"{row.name:{width}}  {row.status:13}  {row.why}".rstrip() for row in self.rows]
        return "\n".join([self.summary(), "", *lines]) + "\n"


def load_prior(path: Path, net: GPEN) -> PriorImport:
    """Load the weights of a StyleGAN2 prior into a generator, as far as they fit.

    A layer is loaded whole or not at all. The encoder stays as it is.

    Args:
        path: A file in rosinality's or NVIDIA's layout; no code in it is run.
        net: Changed in place.

    Raises:
        UnsafeFileError: The file would run code when loaded.
        WeightsError: The file is no StyleGAN2 generator in these layouts, or nothing in it fits.
    """
    found = read_prior(path)
    prior = found.tensors
    config = net.config
    state = net.generator.state_dict()  # shares its values with the network
    names = [name for name in state if not name.endswith(".kernel")]
    refused = _refused(names, state, prior, config)
    rows, used = [], set()
    for name in names:
        why = refused.get(_layer(name)) or _without_counterpart(name, config)
        if why:
            rows.append(PriorRow(f"generator.{name}", "new", why))
            continue
        used.add(name)
        rows.append(_take(name, state[name], prior[name], config))
    if all(_is_mapping(name) for name in used):
        reason = next(iter(refused.values()))
        raise WeightsError(
            f"nothing of {path.name} fits the network ({reason}): make [network] agree with it",
            path=path,
        )
    rows += [
        PriorRow(found.names[name], "left out", _why_left(name, refused, config))
        for name in prior
        if name not in used
    ]
    return PriorImport(tuple(rows), distance_from_prior(net, prior))


def _layer(name: str) -> str:
    """The layer that a tensor belongs to: `style`, `conv1`, `convs.3`, `to_rgbs.1` and so on."""
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if first in ("convs", "to_rgbs") and rest else first


def _side(layer: str) -> int:
    """Pixels of a layer's level; 0 for what belongs to none."""
    first, _, number = layer.partition(".")
    if not number.isdecimal():
        return 0
    if first == "convs":
        return 8 << int(number) // 2
    return 8 << int(number) if first == "to_rgbs" else 0


def _refused(
    names: Sequence[str],
    state: Mapping[str, Tensor],
    prior: Mapping[str, Tensor],
    config: GPENConfig,
) -> dict[str, str]:
    """Layers that are not taken, and why."""
    refused: dict[str, str] = {}
    here, there = (sum(_is_mapping(n) for n in tree) // 2 for tree in (names, prior))
    if here != there:
        refused["style"] = f"the mapping has {there} layers in the prior, {here} here"
    for name in names:
        layer = _layer(name)
        if layer in refused or _without_counterpart(name, config):
            continue
        wanted = _prior_shape(name, state[name].shape, config)
        if name not in prior:
            end = max(_side(_layer(known)) for known in prior)
            above = _side(layer) > end
            refused[layer] = f"the prior ends at {end} px" if above else f"the prior has no {name}"
        elif tuple(prior[name].shape) != wanted:
            found = tuple(prior[name].shape)
            refused[layer] = f"{name} has shape {found} in the prior, {wanted} is needed"
    return refused


def _is_mapping(name: str) -> bool:
    return name.startswith("style.")


def _without_counterpart(name: str, config: GPENConfig) -> str:
    """Why a tensor of the network has no counterpart in StyleGAN2; empty where it has one."""
    if ".adain." in name:
        return "StyleGAN2 modulates weights and has no AdaIN"
    if name.endswith(".noise.weight") and config.injection != "add":
        return "strength of the encoder features, which StyleGAN2 does not have"
    return ""


def _doubled_axis(name: str, config: GPENConfig) -> int | None:
    """The axis twice as long as in StyleGAN2, where encoder features are concatenated."""
    if config.injection != "concat":
        return None
    if name.endswith(".activate.bias"):
        return 0
    if name.startswith("conv1."):  # its input is the constant, with which nothing is concatenated
        return None
    if ".modulation." in name:
        return 0
    return 2 if name.endswith(".conv.weight") else None


def _prior_shape(name: str, shape: Sequence[int], config: GPENConfig) -> tuple[int, ...]:
    """The shape of StyleGAN2's counterpart of a tensor of the network."""
    lengths, axis = list(shape), _doubled_axis(name, config)
    if axis is not None:
        lengths[axis] //= 2
    if config.injection == "adain" and name.endswith(".conv.weight"):
        lengths.insert(0, 1)
    return tuple(lengths)


@torch.no_grad()
def _take(name: str, value: Tensor, source: Tensor, config: GPENConfig) -> PriorRow:
    """Copy a tensor of the prior, whose shape fits, into that of the network."""
    axis, kernel = _doubled_axis(name, config), name.endswith(".conv.weight")
    notes = []
    layer, _, number = _layer(name).partition(".")
    if kernel and layer == "convs" and int(number) % 2 == 0 and config.upsampling == "nearest":
        # A transposed convolution applies its kernel the other way round.
        source = source.flip(-1, -2)
        notes.append("turned by 180°, for upsampling is no transposed convolution here")
    if config.injection == "adain" and kernel:
        source = source[0]
        notes.append("was modulated in the prior")
    if name.endswith(".noise.weight"):
        notes.append("strength of the prior's noise, here of the encoder features")
    if axis is None:
        value.copy_(source)
        return PriorRow(f"generator.{name}", "taken", "; ".join(notes))
    if kernel:
        # The equalised learning rate divides by the root of twice as many inputs.
        source = source * math.sqrt(2)
        value.zero_()
        notes.append("features' half of the inputs starts at zero")
    else:
        notes.append("features' half starts as in a new network")
    value.narrow(axis, 0, source.shape[axis]).copy_(source)
    return PriorRow(f"generator.{name}", "taken in part", "; ".join(notes))


def _why_left(name: str, refused: Mapping[str, str], config: GPENConfig) -> str:
    """Why a tensor of the prior is not in the network."""
    layer = _layer(name)
    reasons = {
        "a blur's constant, which is built in": name.endswith((".kernel", "resample_filter")),
        "the prior's noise, which is not used": name.startswith("noises."),
        "the mean style, which truncation needs": name == "mapping.w_avg",
        refused.get(layer, ""): layer in refused,
        f"level of {_side(layer)} px, above the network's {config.size}": (
            _side(layer) > config.size
        ),
        "strength of the prior's noise, which is not used": name.endswith(".noise.weight"),
        "modulation, in whose place AdaIN is": ".modulation." in name,
    }
    return next((why for why, holds in reasons.items() if holds), "nothing has this name here")
