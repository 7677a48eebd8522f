"""GPEN generators: the published one, its super-resolution variant, and all that share its parts.

Source: Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild",
CVPR 2021 (arXiv 2105.06070). Names and shapes of all tensors of the published family are those of
the released files.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .generator import Generator
from .gpen_config import RESNET_BLOCKS, GPENConfig, published_channels
from .layers import BiasActivation, Blur, Conv, Linear
from .resnet import ResNet

__all__ = ["GPEN", "GPENConfig", "published_channels"]


class GPEN(nn.Module):
    """A GPEN generator: a damaged face in, a restored face out.

    Convention: RGB in [-1, 1]; the output may go beyond, and is to be clipped by the caller.

    Build it under `torch.device("meta")` and load with `load_state_dict(..., assign=True)` to
    allocate the weights only once.

    Args:
        config: The network's numbers and parts.
        reference: Make the weights of every sample, as the paper defines it, instead of the exact
            and much cheaper rewrite. Both have the same parameters; with the injection "adain",
            which has no weights of a sample, both are the same.
    """

    def __init__(self, config: GPENConfig, *, reference: bool = False) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config, reference=reference)
        self._stages: list[str] = []
        if config.is_resnet:
            blocks = RESNET_BLOCKS[config.encoder]
            self.encoder = ResNet(blocks, config.encoder_width, config.style_dim)
            if config.encoder_features:
                levels = zip(config.lateral_inputs, config.channels, strict=True)
                self.laterals = nn.ModuleList(_one_by_one(a, b) for a, b in levels)
        else:
            self._add_strided_encoder(config)

    def _add_strided_encoder(self, config: GPENConfig) -> None:
        """The published encoder, whose stages lie beside the generator."""
        depth = int(math.log2(config.entry_side)) - 2
        widths = config.channels[depth::-1]  # from entry_side down to 4 × 4
        self._stages = [f"ecd{level}" for level in range(depth + 1)]
        self.ecd0 = nn.Sequential(_one_by_one(config.entry_channels, widths[0]))
        for name, above, width in zip(self._stages[1:], widths, widths[1:], strict=False):
            halving = (Blur(padding=2), Conv(above, width, 3, stride=2), BiasActivation(width))
            self.add_module(name, nn.Sequential(nn.Sequential(*halving)))
        self.final_linear = nn.Sequential(Linear(widths[-1] * 16, config.style_dim, activated=True))

    def forward(self, image: Tensor, *, noise: torch.Generator | None = None) -> Tensor:
        """Restore faces: `encode`, `style`, `synthesise`.

        Args:
            image: (N, 3, in_size, in_size).
            noise: See `encode`.

        Returns:
            (N, 3, size, size).
        """
        code, features = self.encode(image, noise=noise)
        return self.synthesise(self.style(code), features)

    def encode(
        self, image: Tensor, *, noise: torch.Generator | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """What the encoder sees in faces.

        Args:
            image: (N, 3, in_size, in_size).
            noise: Draws what joins the levels above `in_size` in a super-resolution variant; None
                puts zeros there.

        Returns:
            The codes (N, style_dim), and a feature map (N, C, r, r) for each level from 4 × 4 up;
            none where the config has no encoder features. With `subpixel` 4 the image itself
            follows the last of them, for the output is a change to it.
        """
        if self.config.is_resnet:
            code, maps = self.encoder(image)
            return code, self._lateral(maps) if self.config.encoder_features else []
        features: list[Tensor] = []
        x, block = image, self.config.subpixel
        if block > 1:  # (N, 3 · block², r, r), a colour's pixels row by row
            x = functional.pixel_unshuffle(image, block)
        for name in self._stages:
            x = self.get_submodule(name)(x)  # (N, C, r, r), r halving
            features.append(x)
        code = self.final_linear(x.flatten(1))  # (N, style_dim)
        if not self.config.encoder_features:
            return code, []
        above = [image] if block > 1 else self._above(image, len(features), noise)
        return code, features[::-1] + above

    def style(self, code: Tensor) -> Tensor:
        """Map codes (N, style_dim) to styles w, of the same shape."""
        w: Tensor = self.generator.style(code)
        return w

    def synthesise(self, w: Tensor, features: list[Tensor]) -> Tensor:
        """Draw faces (N, 3, size, size) from styles (N, style_dim) and what `encode` returned."""
        output: Tensor = self.generator(w, features)
        return output

    def _lateral(self, maps: list[Tensor]) -> list[Tensor]:
        """A feature for each level from 4 × 4 up, from the maps of a ResNet; see `stage_at`."""
        levels = len(self.laterals)
        maps = maps[:levels]
        while len(maps) < levels:  # below 1/32 of the side
            maps.append(functional.avg_pool2d(maps[-1], 2))
        return [lateral(x) for lateral, x in zip(self.laterals, reversed(maps), strict=True)]

    def _above(self, image: Tensor, level: int, noise: torch.Generator | None) -> list[Tensor]:
        """What joins the levels above the encoder: noise or zeros."""
        shapes = [
            (len(image), width, 4 << above, 4 << above)
            for above, width in enumerate(self.config.channels)
            if above >= level
        ]
        if noise is None:
            return [image.new_zeros(shape) for shape in shapes]
        return [torch.randn(s, generator=noise, device=noise.device).to(image) for s in shapes]


def _one_by_one(inputs: int, outputs: int) -> nn.Sequential:
    """A 1 × 1 convolution and an activation."""
    return nn.Sequential(Conv(inputs, outputs, 1), BiasActivation(outputs))
