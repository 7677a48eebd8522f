"""How different two pictures look, by the features of SqueezeNet 1.1.

The distance is LPIPS (Zhang et al., CVPR 2018) with its published linear heads over SqueezeNet's
Caffe weights. Those are not the backbone that the heads were fitted to, so figures compare only
with each other: "LPIPS-squeeze (Caffe weights)".
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

#: Mean of ImageNet in BGR levels, subtracted from the network's input.
_MEAN_BGR = (104.0, 117.0, 123.0)
_POOLED_BEFORE = {2, 4, 6}
_TAPPED = (3, 5, 6, 7, 8, 9)


class PerceptualDistance(nn.Module):
    """LPIPS-squeeze with Caffe weights.

    Args:
        backbone: SqueezeNet 1.1 as .safetensors.
        heads: LPIPS v0.1 heads for SqueezeNet as .pth.
    """

    mean: Tensor

    def __init__(self, backbone: Path, heads: Path) -> None:
        super().__init__()
        self._layers = {name: value.float() for name, value in load_file(backbone).items()}
        lines = torch.load(heads, map_location="cpu", weights_only=True)
        self._heads = [lines[f"lin{tap}.model.1.weight"].float() for tap in range(len(_TAPPED) + 1)]
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).view(1, 3, 1, 1))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """RGB in [-1, 1], (N, 3, h, w) each → distances (N,); 0 where both are equal."""
        total = one.new_zeros(len(one), dtype=torch.float32)
        pairs = zip(self._features(one), self._features(other), self._heads, strict=True)
        for a, b, head in pairs:
            difference = (_unit(a) - _unit(b)).square()  # (N, C, h, w)
            total = total + functional.conv2d(difference, head).mean(dim=(1, 2, 3))
        return total

    def _features(self, x: Tensor) -> list[Tensor]:
        x = (x.flip(1) + 1) * 127.5 - self.mean
        x = functional.relu(self._conv("conv1", x, stride=2))
        features = [x]
        for fire in range(2, 10):
            if fire in _POOLED_BEFORE:
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
            x = functional.relu(self._conv(f"fire{fire}.squeeze1x1", x))
            flat = self._conv(f"fire{fire}.expand1x1", x)
            x = functional.relu(
                torch.cat([flat, self._conv(f"fire{fire}.expand3x3", x, padding=1)], dim=1)
            )
            if fire in _TAPPED:
                features.append(x)
        return features

    def _conv(self, name: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = self._layers[f"{name}.weight"], self._layers[f"{name}.bias"]
        return functional.conv2d(x, weight, bias, stride=stride, padding=padding)


def _unit(x: Tensor) -> Tensor:
    """Each pixel's features scaled to length 1, in f32."""
    x = x.float()
    return x * torch.rsqrt(x.square().sum(dim=1, keepdim=True) + 1e-10)
