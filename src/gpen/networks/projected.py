"""A discriminator that looks through the features of a frozen network, and closely at some regions.

Sources: projected GANs (Sauer et al., NeurIPS 2021), here without their random mixing of features;
PatchGAN (Isola et al., CVPR 2017) for the regions. Layers have the equalised learning rate of
StyleGAN2 and no normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import BiasActivation, Conv


class _Head(nn.Module):
    """Judges the features of one layer, place by place."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(Conv(inputs, channels, 1), BiasActivation(channels))
        self.look = nn.Sequential(
            Conv(channels, channels, 3, stride=2, padding=1), BiasActivation(channels)
        )
        self.last = Conv(channels, 1, 1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → logits (N, 1, h/2, w/2)."""
        x = self.look(self.narrow(x))
        logits: Tensor = self.last(x)
        return logits + self.bias.to(x.dtype)


class _Regions(nn.Module):
    """Judges patches of 34 × 34 px in small cuts of a face."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in (channels, 2 * channels, 4 * channels):
            layers += [Conv(inputs, outputs, 4, stride=2, padding=1), BiasActivation(outputs)]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.last = Conv(inputs, 1, 3, padding=1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, h, w) → logits (N, 1, h/8, w/8)."""
        x = self.layers(x)
        logits: Tensor = self.last(x)
        return logits + self.bias.to(x.dtype)


class ProjectedDiscriminator(nn.Module):
    """Tells real faces from restored ones by features that do not learn, and by regions.

    Args:
        widths: Channels of the features that it is shown, in their order.
        channels: Width of the heads, and of the regions' first layer.
    """

    def __init__(self, widths: Sequence[int], *, channels: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_Head(width, channels) for width in widths)
        self.regions = _Regions(max(8, channels // 4))

    def score(self, *inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Judge features of images, and cuts of regions.

        Args:
            inputs: Features (N, C, h, w), one for each head, then cuts (M, 3, r, r), RGB in
                [-1, 1]; M may be 0.

        Returns:
            Logits of each head and, where there are cuts, of the regions: higher where it looks
            real. No features to be matched: those of the frozen network are nobody's.
        """
        *features, cuts = inputs
        logits = [head(x) for head, x in zip(self.heads, features, strict=True)]
        if len(cuts):
            logits.append(self.regions(cuts))
        return logits, []
