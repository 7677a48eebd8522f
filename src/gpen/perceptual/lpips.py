"""LPIPS (Zhang et al., CVPR 2018), version 0.1.

The published figures are those of torchvision's AlexNet or VGG-16 with the heads fitted to them.
SqueezeNet's Caffe weights are not the ones that its heads were fitted to: those figures compare
only with each other, and are called "LPIPS-squeeze (Caffe weights)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks.imagenet_features import alexnet_for_lpips, vgg16_for_lpips
from ..networks.squeezenet import SqueezeNet
from .network_files import fill, read_tensors, unsuitable

_BACKBONE, _HEADS = "files.lpips_backbone", "files.lpips_heads"
_BACKBONE_EXPECTED = (
    "torchvision's AlexNet (alexnet-owt-7be5be79.pth) or VGG-16 (vgg16-397923af.pth), both from "
    "https://download.pytorch.org/models/, or SqueezeNet 1.1 in Caffe's layout"
)
_HEADS_EXPECTED = (
    "the LPIPS v0.1 heads of that backbone: alex.pth, vgg.pth or squeeze.pth in "
    "lpips/weights/v0.1 of github.com/richzhang/PerceptualSimilarity"
)
#: Mean of ImageNet in BGR levels, which Caffe's networks are trained without.
_MEAN_BGR = (104.0, 117.0, 123.0)
#: What LPIPS takes from torchvision's networks' input in [-1, 1], and divides it by.
_SHIFT_RGB, _SCALE_RGB = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """LPIPS over a backbone that is recognised by its tensors.

    Args:
        backbone: SqueezeNet 1.1 (Caffe), AlexNet or VGG-16 (torchvision), .pth or .safetensors.
        heads: LPIPS v0.1 heads for that backbone, .pth.

    Attributes:
        name: What its figures are called.

    Raises:
        TrainingError: A file is missing, or is not what was expected.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Path, heads: Path) -> None:
        super().__init__()
        tensors = read_tensors(backbone, _BACKBONE, _BACKBONE_EXPECTED)
        self.name, make = _recognise(tensors, backbone)
        self.net = make()
        fill(self.net, tensors, backbone, _BACKBONE, _BACKBONE_EXPECTED)
        self.caffe = isinstance(self.net, SqueezeNet)
        lines = read_tensors(heads, _HEADS, _HEADS_EXPECTED)
        with torch.no_grad():
            widths = [x.shape[1] for x in self.net(torch.zeros(1, 3, 64, 64))]
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in widths)
        renamed = {f"{tap}.weight": lines.get(f"lin{tap}.model.1.weight") for tap in range(9)}
        present = {name: line for name, line in renamed.items() if line is not None}
        if len(present) != len(widths):
            reason = f"has {len(present)} heads where {self.name} has {len(widths)}"
            raise unsuitable(heads, _HEADS, reason, _HEADS_EXPECTED)
        fill(self.heads, present, heads, _HEADS, _HEADS_EXPECTED)
        self.register_buffer("shift", torch.tensor(_SHIFT_RGB).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE_RGB).view(1, 3, 1, 1))

    def forward(self, restored: Tensor, truth: Tensor) -> Tensor:
        """RGB in [-1, 1], (N, 3, h, w) each → distances (N,), float32; 0 where both are equal."""
        total = restored.new_zeros(len(restored), dtype=torch.float32)
        features = zip(self.features(restored), self.features(truth), strict=True)
        for (a, b), head in zip(features, self.heads, strict=True):
            difference = (a - b).square()  # (N, C, h, w)
            weighted = (difference * head.get_parameter("weight")).sum(dim=1)
            total = total + weighted.mean(dim=(1, 2))
        return total

    def features(self, x: Tensor) -> list[Tensor]:
        """What it compares of RGB in [-1, 1], (N, 3, h, w): (N, C, h', w') each, of length 1."""
        if self.caffe:
            mean = x.new_tensor(_MEAN_BGR).view(1, 3, 1, 1)
            x = (x.flip(1) + 1) * 127.5 - mean
        else:
            x = (x - self.shift) / self.scale
        features: list[Tensor] = self.net(x)
        return [_unit(layer) for layer in features]


def _recognise(tensors: Mapping[str, Tensor], path: Path) -> tuple[str, Callable[[], nn.Module]]:
    """Name and maker of a backbone.

    Raises:
        TrainingError: It is none of those known.
    """
    if "fire2.squeeze1x1.weight" in tensors:
        return "LPIPS-squeeze (Caffe weights)", SqueezeNet
    first = tuple(tensors["features.0.weight"].shape) if "features.0.weight" in tensors else ()
    if first == (64, 3, 11, 11):
        return "LPIPS-alex", alexnet_for_lpips
    if "features.28.weight" in tensors and "features.34.weight" not in tensors:
        return "LPIPS-vgg", vgg16_for_lpips
    names = ", ".join(list(tensors)[:2]) or "no tensors"
    raise unsuitable(path, _BACKBONE, f"is no backbone of LPIPS ({names}, …)", _BACKBONE_EXPECTED)


def _unit(x: Tensor) -> Tensor:
    """Each pixel's features scaled to length 1, in f32."""
    x = x.float()
    return x * torch.rsqrt(x.square().sum(dim=1, keepdim=True) + 1e-10)
