"""Initialises a ResNet encoder from torchvision's weights for ImageNet.

Torchvision's ResNet has batch normalisation with fixed statistics; gpen's encoder has group
normalisation, which computes its own. Both return the same on average if each channel of a
convolution is divided by its recorded standard deviation, and the norm's scale and shift make up
for the difference between the statistics of the group and of the channel. So the encoder starts
out equivalent to the trained network, instead of only sharing its kernels.

Sources: He et al., CVPR 2016; Ioffe & Szegedy, ICML 2015; Wu & He, ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..networks.gpen import GPEN
from ..networks.gpen_config import NORM_EPSILON
from ..perceptual.network_files import read_tensors

_SETTING = "network.encoder_init"
_EXPECTED = (
    "torchvision's ResNet of the depth that network.encoder names: resnet50-0676ba61.pth, "
    "resnet101-63fe2227.pth or another of https://download.pytorch.org/models/"
)
#: Mean and standard deviation of ImageNet, RGB in [0, 1], by which images were normalised.
_MEAN_RGB, _DEVIATION_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def load_encoder(path: Path, net: GPEN) -> str:
    """Load torchvision's weights into a ResNet encoder; the layer that makes the code stays new.

    Args:
        path: `.pth` or `.safetensors` with torchvision's names; no code in it is run.
        net: A generator with a ResNet encoder; changed in place.

    Returns:
        One line that says what was loaded.

    Raises:
        TrainingError: The file is missing or damaged.
        ConfigError: The file holds another network than the encoder.
    """
    tensors = read_tensors(path, _SETTING, _EXPECTED)
    encoder = net.encoder
    norms = {name: norm for name, norm in encoder.named_modules() if isinstance(norm, nn.GroupNorm)}
    pairs = [(_convolution_of(name), name) for name in norms]
    used = set()
    for convolution, norm in pairs:
        names = [
            f"{convolution}.weight",
            *(f"{_torchvision(norm)}.{statistic}" for statistic in _STATISTICS),
        ]
        wanted = [encoder.get_parameter(names[0]), *[norms[norm].weight] * len(_STATISTICS)]
        for name, own in zip(names, wanted, strict=True):
            _check(name, tensors, own, path)
        used.update(names)
    strange = [name for name in tensors if name not in used and not _is_spare(name)]
    if strange:
        raise _unfit(path, f"it has {strange[0]}, which a {net.config.encoder} has not")
    for convolution, norm in pairs:
        statistics = [tensors[f"{_torchvision(norm)}.{name}"] for name in _STATISTICS]
        weight = tensors[f"{convolution}.weight"]
        _take(encoder.get_parameter(f"{convolution}.weight"), norms[norm], weight, statistics)
    return f"{len(used)} tensors taken for the encoder; the layer of its code starts anew"


def _convolution_of(norm: str) -> str:
    """The convolution before a norm: `conv1` before `norm1`, `downsample.0` before `.1`."""
    head, _, last = norm.rpartition(".")
    before = "0" if last == "1" else last.replace("norm", "conv")
    return f"{head}.{before}" if head else before


def _torchvision(norm: str) -> str:
    return norm.replace("norm", "bn")


def _is_spare(name: str) -> bool:
    return name.startswith("fc.") or name.endswith("num_batches_tracked")


def _check(name: str, tensors: Mapping[str, Tensor], own: Tensor, path: Path) -> None:
    if name not in tensors:
        raise _unfit(path, f"{name} is missing")
    if tensors[name].shape != own.shape:
        found, wanted = tuple(tensors[name].shape), tuple(own.shape)
        raise _unfit(path, f"{name} has shape {found}, {wanted} is needed")


def _unfit(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{_SETTING}: {path.name} does not fit the encoder ({why}); expected {_EXPECTED}, and "
        "network.encoder_width as there (64)",
        key=_SETTING,
    )


@torch.no_grad()
def _take(own: Tensor, norm: nn.GroupNorm, weight: Tensor, statistics: list[Tensor]) -> None:
    """Fill a convolution and the norm after it; see the head of this module."""
    scale, shift, mean, variance = (value.double() for value in statistics)
    weight = weight.double()
    if weight.shape[1] == 3:  # of the image, which comes in [-1, 1] here
        offset = (0.5 - torch.tensor(_MEAN_RGB)) / torch.tensor(_DEVIATION_RGB)
        mean = mean - (weight.sum(dim=(2, 3)) * offset).sum(dim=1)
        weight = weight * (0.5 / torch.tensor(_DEVIATION_RGB))[:, None, None]
    deviation = (variance + NORM_EPSILON).sqrt()
    means, variances = mean / deviation, variance / deviation.square()
    groups = means.view(norm.num_groups, -1)
    middle = groups.mean(dim=1, keepdim=True)
    spread = (variances.view_as(groups) + (groups - middle).square()).mean(dim=1, keepdim=True)
    off = (groups - middle).flatten()
    around = (spread + NORM_EPSILON).sqrt().expand_as(groups).flatten()
    own.copy_(weight / deviation[:, None, None, None])
    norm.weight.copy_(scale * around)
    norm.bias.copy_(shift - scale * off)
