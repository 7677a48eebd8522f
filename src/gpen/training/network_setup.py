"""The networks of a run, built from its config."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError, WriteError
from ..models import find_model, load_weights
from ..networks.discriminator import Discriminator
from ..networks.gpen import GPEN, GPENConfig
from ..networks.patchgan import PatchDiscriminator
from ..networks.projected import ProjectedDiscriminator
from .config import Config

_RGB = re.compile(r"\.to_rgb(1|s\.\d+)\.conv\.weight$")
#: Standard deviation of the pixels of photos in [-1, 1].
_CONTRAST = 0.5
_AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


def build_generator(config: Config, size: int) -> GPEN:
    """A new generator for images of a size.

    Encoder features start at full strength: at 0, as StyleGAN2 initialises its noise, the encoder
    would get no gradient. With AdaIN, whose outputs start at a standard deviation of √3, the RGB
    layers are scaled so that the images start at that of photos.
    """
    network = config.network
    net = GPEN(
        GPENConfig(
            size=size,
            in_size=size,
            channels=network.widths(size),
            style_dim=network.style_dim,
            n_mlp=network.n_mlp,
            encoder=network.encoder,
            encoder_width=network.encoder_width,
            encoder_features=network.encoder_features,
            injection=network.injection,
            upsampling=network.upsampling,
            subpixel=network.subpixel,
            refine_width=network.refine_width,
        )
    )
    for name, parameter in net.named_parameters():
        if name.endswith("noise.weight"):
            nn.init.ones_(parameter)
        if network.injection == "adain" and _RGB.search(name):
            nn.init.normal_(parameter, std=_CONTRAST / math.sqrt(3 * len(net.config.channels)))
    return net


def build_discriminator(
    config: Config, size: int, widths: Sequence[int] = ()
) -> Discriminator | PatchDiscriminator | ProjectedDiscriminator | None:
    """A new discriminator; None if the config has none.

    Args:
        config: The run.
        size: Size of the images, in pixels.
        widths: Channels of the frozen features that the projected kind judges.
    """
    judge = config.discriminator
    if judge.kind == "none":
        return None
    if judge.kind == "patchgan":
        return PatchDiscriminator(
            size, resolutions=judge.resolutions, channels=judge.patch_channels
        )
    if judge.kind == "projected":
        return ProjectedDiscriminator(widths, channels=judge.patch_channels)
    return Discriminator(
        size,
        channel_multiplier=judge.channel_multiplier,
        narrow=judge.narrow,
        group=judge.group,
    )


def load_init(net: GPEN, name: str) -> None:
    """Load initial weights from a file or a model that gpen finds by name.

    Raises:
        WeightsError: There is no such file, or it cannot be read.
        ConfigError: They belong to another network.
    """
    weights = load_weights(find_model(name).path)
    state = {
        key: torch.from_numpy(np.array(tensor.float32(), order="C"))
        for key, tensor in weights.tensors.items()
    }
    differing = differences(net.state_dict(), state)
    if differing:
        raise ConfigError(
            f"network.init: {weights.path.name} is {weights.title}, which is another network than "
            f"[network] describes ({differing}): make the two agree",
            key="network.init",
        )
    net.load_state_dict(state)


def differences(one: dict[str, Tensor], other: dict[str, Tensor]) -> str:
    """The first tensor in which two states differ by name or shape, in words; empty if none."""
    for name in sorted(one.keys() | other.keys()):
        shapes = [
            tuple(state[name].shape) if name in state else "missing" for state in (one, other)
        ]
        if shapes[0] != shapes[1]:
            return f"{name}: {shapes[1]}, expected {shapes[0]}"
    return ""


def encoder_parameters(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters of the encoder, and those of mapping and synthesis."""
    named = list(net.named_parameters())
    synthesis = [p for name, p in named if name.startswith("generator.")]
    return [p for name, p in named if not name.startswith("generator.")], synthesis


def export_weights(net: nn.Module, path: Path, notes: dict[str, str]) -> None:
    """Write a network as .safetensors, atomically.

    Raises:
        WriteError: The folder cannot be written, or the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from ..files import written_whole

    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    with written_whole(path) as temporary:
        try:
            save_file(state, temporary, metadata={"format": "pt", **notes})
        except SafetensorError as error:
            raise WriteError(
                f"cannot write {path} ({error}): free some space and start again with --resume",
                path=path,
            ) from error


def autocast(config: Config, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context that runs networks in the precision of the config."""
    if config.precision == "f32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, _AUTOCAST_DTYPES[config.precision])
