"""The generator of GPEN: mapping network and synthesis, coarse to fine.

Sources: GPEN (arXiv 2105.06070), StyleGAN2 (Karras et al., CVPR 2020); AdaIN (Huang & Belongie,
ICCV 2017) in the place that StyleGAN gives it (Karras et al., CVPR 2019). Pixels out of channels:
Shi et al., CVPR 2016 (arXiv 1609.05158), initialised after Aitken et al. (arXiv 1707.02937).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .gpen_config import GPENConfig, Upsampling
from .layers import (
    AdaIN,
    BiasActivation,
    Conv,
    Linear,
    ModulatedConv,
    PixelNorm,
    PlainConv,
    Upsample,
)

_MAPPING_LR = 0.01


class _Noise(nn.Module):
    """Strength of what joins a styled convolution: the encoder's feature."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class _StyledConv(nn.Module):
    """A 3 × 3 convolution that style and feature enter as the config says."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        config: GPENConfig,
        *,
        upsampling: Upsampling | None,
        reference: bool,
    ) -> None:
        super().__init__()
        dim, adain = config.style_dim, config.injection == "adain"
        self.conv = (
            PlainConv(inputs, outputs, 3, upsampling=upsampling)
            if adain
            else ModulatedConv(inputs, outputs, 3, dim, upsampling=upsampling, reference=reference)
        )
        self.noise = _Noise() if config.encoder_features else None
        self.activate = BiasActivation(config.joined * outputs)
        self.adain = AdaIN(outputs, dim) if adain else None
        self._beside = config.injection == "concat"

    def forward(self, x: Tensor, w: Tensor, feature: Tensor | None) -> Tensor:
        x = self.conv(x) if self.adain is not None else self.conv(x, w)  # (N, outputs, r, r)
        if self.noise is not None and feature is not None:
            feature = (self.noise.weight * feature).to(x.dtype)
            x = torch.cat([x, feature], dim=1) if self._beside else x + feature
        x = self.activate(x)
        return x if self.adain is None else self.adain(x, w)


class _ToRGB(nn.Module):
    """A level's image, added to those of the levels below."""

    def __init__(self, width: int, config: GPENConfig, *, upsample: bool, reference: bool) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Upsample() if upsample and config.upsampling == "blur" else None
        inputs, self._plain = config.joined * width, config.injection == "adain"
        self.conv = (
            PlainConv(inputs, 3, 1)
            if self._plain
            else ModulatedConv(
                inputs, 3, 1, config.style_dim, demodulate=False, reference=reference
            )
        )

    def forward(self, x: Tensor, w: Tensor, rgb: Tensor | None = None) -> Tensor:
        own: Tensor = (self.conv(x) if self._plain else self.conv(x, w)) + self.bias
        if rgb is None:
            return own
        if self.upsample is None:
            return own + functional.interpolate(rgb, scale_factor=2, mode="nearest")
        below: Tensor = self.upsample(rgb)
        return own + below


class _ToPixels(nn.Module):
    """The highest level's output as a change to the image, in two steps that double the side.

    Between them the image joins, at half its side, so that the last convolution sees beyond the
    edges of the blocks that it draws.
    """

    def __init__(self, config: GPENConfig) -> None:
        super().__init__()
        width = config.refine_width
        self.expand = Conv(config.joined * config.channels[-1], 4 * width, 1)
        # Alike for the pixels of a block (ICNR), which otherwise begin with a grid.
        self.expand.weight = nn.Parameter(self.expand.weight[::4].repeat_interleave(4, dim=0))
        self.activate = BiasActivation(width)
        self.refine = Conv(width + 12, 12, 3, padding=1)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        x = self.activate(functional.pixel_shuffle(self.expand(x), 2))  # (N, width, size/2, size/2)
        half = functional.pixel_unshuffle(image, 2).to(x.dtype)  # (N, 12, size/2, size/2)
        return image + functional.pixel_shuffle(self.refine(torch.cat([x, half], dim=1)), 2)


class _Constant(nn.Module):
    """The learned 4 × 4 image that synthesis starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Generator(nn.Module):
    """Mapping network and synthesis.

    Args:
        config: The network's numbers.
        reference: See `GPEN`.
    """

    def __init__(self, config: GPENConfig, *, reference: bool) -> None:
        super().__init__()
        dim, channels, wide = config.style_dim, config.channels, config.joined

        def styled(inputs: int, width: int, upsampling: Upsampling | None = None) -> _StyledConv:
            return _StyledConv(inputs, width, config, upsampling=upsampling, reference=reference)

        mapping = (Linear(dim, dim, lr=_MAPPING_LR, activated=True) for _ in range(config.n_mlp))
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = _Constant(channels[0])
        self.conv1 = styled(channels[0], channels[0])
        colours = config.subpixel == 1
        self.to_rgb1 = (
            _ToRGB(channels[0], config, upsample=False, reference=reference) if colours else None
        )
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for below, width in pairwise(channels):
            self.convs.append(styled(wide * below, width, config.upsampling))
            self.convs.append(styled(wide * width, width))
            if colours:
                self.to_rgbs.append(_ToRGB(width, config, upsample=True, reference=reference))
        self.to_pixels = None if colours else _ToPixels(config)

    def forward(self, w: Tensor, features: list[Tensor]) -> Tensor:
        """Styles (N, style_dim) and the features of each level → (N, 3, size, size).

        Args:
            w: What the mapping network `style` makes of a code.
            features: One (N, C, r, r) for each level from 4 × 4 up, or none at all; after them the
                image where it is one to be changed.
        """
        at = dict(enumerate(features))
        x = self.input.input.expand(w.shape[0], -1, -1, -1)  # (N, C, 4, 4)
        x = self.conv1(x, w, at.get(0))
        rgb: Tensor = features[-1] if self.to_rgb1 is None else self.to_rgb1(x, w)
        for i in range(len(self.convs) // 2):
            x = self.convs[2 * i](x, w, at.get(i + 1))  # (N, joined · C, r, r)
            x = self.convs[2 * i + 1](x, w, at.get(i + 1))
            if self.to_rgbs:
                rgb = self.to_rgbs[i](x, w, rgb)
        if self.to_pixels is not None:
            rgb = self.to_pixels(x, rgb)
        return rgb
