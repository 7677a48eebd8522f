"""The StyleGAN2 discriminator (Karras et al., CVPR 2020) that GPEN was trained against."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from .gpen import published_channels
from .layers import BiasActivation, Blur, Conv, Linear


class _Block(nn.Module):
    """Residual block that halves the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(Conv(inputs, inputs, 3, padding=1), BiasActivation(inputs))
        self.conv2 = nn.Sequential(
            Blur(padding=2), Conv(inputs, outputs, 3, stride=2), BiasActivation(outputs)
        )
        self.skip = nn.Sequential(Blur(padding=1), Conv(inputs, outputs, 1, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x)) + self.skip(x)
        return y / math.sqrt(2)


def _batch_deviation(x: Tensor, group: int) -> Tensor:
    """(N, C, h, w) → (N, C + 1, h, w): how much the images of each group differ, appended.

    Raises:
        ValueError: The batch does not fall into groups.
    """
    group = group or len(x)
    if len(x) % group:
        raise ValueError(f"{len(x)} images do not fall into groups of {group}: take a multiple")
    # Not `std`, whose gradient is infinite where all images are alike.
    variance = x.float().reshape(-1, group, *x.shape[1:]).var(dim=1, correction=0)
    deviation = torch.sqrt(variance + 1e-8).mean(dim=(1, 2, 3))  # (N / group,)
    deviation = deviation.repeat_interleave(group).to(x.dtype).view(-1, 1, 1, 1)
    return torch.cat([x, deviation.expand(-1, 1, *x.shape[2:])], dim=1)


class Discriminator(nn.Module):
    """Tells real faces from restored ones.

    Args:
        size: Side of the images, in pixels.
        channel_multiplier: Widens the levels from 64 px on.
        narrow: Scales every width.
        group: Consecutive images that are compared with each other; 0 for the whole batch, as
            published. With a group that divides their parts, processes that share a batch answer
            as one does that has it whole.
    """

    def __init__(
        self, size: int, *, channel_multiplier: float = 2, narrow: float = 1.0, group: int = 0
    ) -> None:
        super().__init__()
        self.group = group
        widths = published_channels(size, channel_multiplier, narrow)[::-1]
        first = nn.Sequential(Conv(3, widths[0], 1), BiasActivation(widths[0]))
        blocks = (_Block(a, b) for a, b in pairwise(widths))
        self.convs = nn.Sequential(first, *blocks)
        last = widths[-1]
        self.final_conv = nn.Sequential(Conv(last + 1, last, 3, padding=1), BiasActivation(last))
        self.final_linear = nn.Sequential(Linear(last * 16, last, activated=True), Linear(last, 1))

    def forward(self, image: Tensor) -> Tensor:
        """RGB in [-1, 1], (N, 3, size, size) → logits (N, 1), higher where it looks real.

        Raises:
            ValueError: The batch does not fall into groups.
        """
        return self.score(image)[0][0]

    def score(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The same logits, and the features (N, C, r, r) after every residual block.

        Raises:
            ValueError: The batch does not fall into groups.
        """
        features = []
        first, *blocks = self.convs
        x = first(image)
        for block in blocks:
            x = block(x)
            features.append(x)
        x = self.final_conv(_batch_deviation(x, self.group))  # (N, C, 4, 4)
        return [self.final_linear(x.flatten(1))], features
