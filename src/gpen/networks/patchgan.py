"""A discriminator that looks at patches, at several resolutions.

Source: the multi-scale PatchGAN of pix2pixHD (Wang et al., CVPR 2018). Differences: layers have
the equalised learning rate of StyleGAN2 and no normalisation, so that no image's output depends
on the others of its batch and a gradient penalty means what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import BiasActivation, Conv

_SMALLEST, _LARGEST = 64, 2048


class _Patches(nn.Module):
    """Scores patches of 70 × 70 px, 8 px apart: 4 × 4 convolutions, three of them strided."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [3, *(channels << level for level in range(4))]
        self.layers = nn.ModuleList()
        for level, (inputs, outputs) in enumerate(pairwise(widths)):
            conv = Conv(inputs, outputs, 4, stride=2 if level < 3 else 1, padding=1)
            self.layers.append(nn.Sequential(conv, BiasActivation(outputs)))
        self.last = Conv(widths[-1], 1, 4, padding=1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, 3, r, r) → logits (N, 1, r/8 - 2, r/8 - 2) and the features of each layer."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return self.last(x) + self.bias.to(x.dtype), features


class PatchDiscriminator(nn.Module):
    """Tells real faces from restored ones patch by patch; a network for each resolution.

    Args:
        size: Side of the images, in pixels.
        resolutions: Sides at which it looks, powers of two from 64 to 2048; those above `size`
            are left out.
        channels: Width of the first layer; doubles from layer to layer, up to 8 times.

    Raises:
        ValueError: A resolution is not one of those, stands twice, or none is left.
    """

    def __init__(self, size: int, *, resolutions: Sequence[int], channels: int = 64) -> None:
        super().__init__()
        self.size = size
        kept = [str(side) for side in sorted(_checked(resolutions)) if side <= size]
        if not kept or channels < 1:
            raise ValueError(
                f"PatchGAN has {channels} channels and resolutions {list(resolutions)} for "
                f"images of {size} px; expected a channel and a resolution of at most {size}"
            )
        self.scales = nn.ModuleDict({side: _Patches(channels) for side in kept})

    def score(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Score images, each resolution seeing the average over areas of pixels.

        Args:
            image: RGB in [-1, 1], (N, 3, size, size).

        Returns:
            Logits (N, 1, h, w) of each resolution from small to large, higher where a patch looks
            real, and the features (N, C, h, w) of all layers.
        """
        logits, features = [], []
        for side, scale in self.scales.items():
            output, layers = scale(functional.avg_pool2d(image, self.size // int(side)))
            logits.append(output)
            features += layers
        return logits, features

    def forward(self, image: Tensor) -> list[Tensor]:
        """The logits of `score`."""
        return self.score(image)[0]


def _checked(resolutions: Sequence[int]) -> set[int]:
    sides = {side for side in resolutions if _SMALLEST <= side <= _LARGEST}
    if len(sides) != len(resolutions) or any(side & (side - 1) for side in sides):
        raise ValueError(
            f"PatchGAN cannot look at resolutions {list(resolutions)}; "
            f"expected different powers of two from {_SMALLEST} to {_LARGEST}"
        )
    return sides
