"""SqueezeNet 1.1 (Iandola et al., 2016) as a source of features, laid out as its Caffe file."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_POOLED_BEFORE = {2, 4, 6}
_TAPPED = {3, 5, 6, 7, 8, 9}
#: Width of the squeezing layer and of either expanding one of modules 2 to 9.
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class _Fire(nn.Module):
    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, narrow, 1)
        self.expand1x1 = nn.Conv2d(narrow, wide, 1)
        self.expand3x3 = nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze1x1(x))
        return functional.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


class SqueezeNet(nn.Module):
    """The layers up to module 9, tapped where LPIPS taps them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        inputs = 64
        for number, (narrow, wide) in enumerate(_FIRES, start=2):
            self.add_module(f"fire{number}", _Fire(inputs, narrow, wide))
            inputs = 2 * wide

    def forward(self, x: Tensor) -> list[Tensor]:
        """BGR levels less their mean, (N, 3, h, w) → seven features (N, C, h', w')."""
        x = functional.relu(self.conv1(x))
        features = [x]
        for number in range(2, 2 + len(_FIRES)):
            if number in _POOLED_BEFORE:
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
            x = self.get_submodule(f"fire{number}")(x)
            if number in _TAPPED:
                features.append(x)
        return features
