"""Upscalers as published: RRDBNet and SRVGGNetCompact.

Convention: RGB in [0, 1], (N, 3, height, width) → (N, 3, factor · height, factor · width), not
clipped.

Sources: Wang et al., ESRGAN (arXiv 1809.00219); Wang et al., Real-ESRGAN (arXiv 2107.10833).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE, _RESIDUAL = 0.2, 0.2


class _DenseBlock(nn.Module):
    """Five convolutions, each of everything before it; a fifth of the last is added."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for i in range(1, 5):
            setattr(self, f"conv{i}", nn.Conv2d(width + (i - 1) * growth, growth, 3, 1, 1))
        self.conv5 = nn.Conv2d(width + 4 * growth, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for i in range(1, 5):
            added = F.leaky_relu(getattr(self, f"conv{i}")(seen), _SLOPE)
            seen = torch.cat((seen, added), 1)
        last: Tensor = self.conv5(seen)
        return x + _RESIDUAL * last


class _Block(nn.Module):
    """Three dense blocks, a fifth of whose answer is added."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(width, growth)
        self.rdb2 = _DenseBlock(width, growth)
        self.rdb3 = _DenseBlock(width, growth)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + _RESIDUAL * answer


class RRDBNet(nn.Module):
    """Residual-in-residual dense blocks, then steps of nearest ×2.

    Args:
        steps: How often it doubles its features.
        width: Channels between blocks.
        depth: Blocks.
        growth: Channels that each convolution of a dense block adds.
        block: Side of the blocks of pixels that it takes as channels; sides must be divisible.
    """

    def __init__(self, steps: int, width: int, depth: int, growth: int, block: int) -> None:
        super().__init__()
        self.steps, self.block = steps, block
        self.conv_first = nn.Conv2d(3 * block**2, width, 3, 1, 1)
        self.body = nn.Sequential(*(_Block(width, growth) for _ in range(depth)))
        self.conv_body = nn.Conv2d(width, width, 3, 1, 1)
        for step in range(1, steps + 1):
            setattr(self, f"conv_up{step}", nn.Conv2d(width, width, 3, 1, 1))
        self.conv_hr = nn.Conv2d(width, width, 3, 1, 1)
        self.conv_last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv_first(F.pixel_unshuffle(image, self.block))
        x = x + self.conv_body(self.body(x))
        for step in range(1, self.steps + 1):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = F.leaky_relu(getattr(self, f"conv_up{step}")(x), _SLOPE)
        last: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(x), _SLOPE))
        return last


class SRVGGNetCompact(nn.Module):
    """A row of convolutions with PReLU at the size of the input, added to the enlarged input.

    Args:
        factor: Pixels of the output along a pixel of the input.
        width: Channels.
        depth: Convolutions before the last.
    """

    def __init__(self, factor: int, width: int, depth: int) -> None:
        super().__init__()
        self.factor = factor
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Conv2d(3 if i == 0 else width, width, 3, 1, 1), nn.PReLU(width)]
        layers.append(nn.Conv2d(width if depth else 3, 3 * factor**2, 3, 1, 1))
        self.body = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        change = F.pixel_shuffle(self.body(image), self.factor)
        return change + F.interpolate(image, scale_factor=float(self.factor), mode="nearest")
