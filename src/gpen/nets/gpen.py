"""The published GPEN generator and its super-resolution variant.

Source: Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild",
CVPR 2021 (arXiv 2105.06070). Names and shapes of all tensors are those of the released files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from .ops import BiasActivation, Blur, Conv, Linear, ModulatedConv, PixelNorm, Upsample

_WIDEST, _MAPPING_LR = 512, 0.01


@dataclass(frozen=True, slots=True)
class GPENConfig:
    """The numbers that define a GPEN generator.

    Attributes:
        size: Side of the picture it returns, in pixels: a power of two from 8.
        in_size: Side of the picture it takes; smaller than `size` in super-resolution variants.
        style_dim: Length of the style vector.
        n_mlp: Layers that map the encoder's answer to the style.
        channels: Width of each level, from 4 × 4 to `size` × `size`.

    Raises:
        ValueError: The numbers contradict each other.
    """

    size: int
    in_size: int
    style_dim: int
    n_mlp: int
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        sides = {4 << level for level in range(1, len(self.channels))}
        if not {self.size, self.in_size} <= sides or self.size != max(sides):
            raise ValueError(
                f"a network with {len(self.channels)} widths has sides 4 to "
                f"{4 << (len(self.channels) - 1)}; got size {self.size}, in_size {self.in_size}"
            )

    @classmethod
    def published(
        cls,
        size: int,
        *,
        channel_multiplier: float = 2,
        narrow: float = 1.0,
        in_size: int | None = None,
        style_dim: int = 512,
        n_mlp: int = 8,
    ) -> GPENConfig:
        """The network that the published code builds from these numbers."""
        return cls(
            size=size,
            in_size=in_size or size,
            style_dim=style_dim,
            n_mlp=n_mlp,
            channels=published_channels(size, channel_multiplier, narrow),
        )


def published_channels(size: int, channel_multiplier: float, narrow: float) -> tuple[int, ...]:
    """Widths of the levels 4, 8, …, `size`: full up to 32 px, then halved at every level."""
    widths = []
    for level in range(int(math.log2(size)) - 1):
        full = _WIDEST if level < 4 else (_WIDEST >> (level - 3)) * channel_multiplier
        widths.append(int(full * narrow))
    return tuple(widths)


class _Noise(nn.Module):
    """Strength of what joins a styled convolution: the encoder's feature."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class _StyledConv(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, style_dim: int, *, upsample: bool, reference: bool
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(
            inputs, outputs, 3, style_dim, upsample=upsample, reference=reference
        )
        self.noise = _Noise()
        self.activate = BiasActivation(2 * outputs)

    def forward(self, x: Tensor, w: Tensor, feature: Tensor) -> Tensor:
        x = self.conv(x, w)  # (N, outputs, r, r)
        x = torch.cat([x, (self.noise.weight * feature).to(x.dtype)], dim=1)
        return self.activate(x)  # type: ignore[no-any-return]


class _ToRGB(nn.Module):
    def __init__(self, inputs: int, style_dim: int, *, upsample: bool, reference: bool) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Upsample() if upsample else None
        self.conv = ModulatedConv(inputs, 3, 1, style_dim, demodulate=False, reference=reference)

    def forward(self, x: Tensor, w: Tensor, rgb: Tensor | None = None) -> Tensor:
        x = self.conv(x, w) + self.bias
        return x if self.upsample is None else x + self.upsample(rgb)


class _Generator(nn.Module):
    def __init__(self, config: GPENConfig, *, reference: bool) -> None:
        super().__init__()
        dim, channels = config.style_dim, config.channels
        mapping = (Linear(dim, dim, lr=_MAPPING_LR, activated=True) for _ in range(config.n_mlp))
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = _Constant(channels[0])
        self.conv1 = _StyledConv(channels[0], channels[0], dim, upsample=False, reference=reference)
        self.to_rgb1 = _ToRGB(2 * channels[0], dim, upsample=False, reference=reference)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for below, width in pairwise(channels):
            for inputs, upsample in ((2 * below, True), (2 * width, False)):
                self.convs.append(
                    _StyledConv(inputs, width, dim, upsample=upsample, reference=reference)
                )
            self.to_rgbs.append(_ToRGB(2 * width, dim, upsample=True, reference=reference))

    def forward(self, code: Tensor, features: list[Tensor]) -> Tensor:
        """Codes (N, style_dim) and one (N, C, r, r) for each level → (N, 3, size, size)."""
        w = self.style(code)
        x = self.input.input.expand(code.shape[0], -1, -1, -1)  # (N, C, 4, 4)
        x = self.conv1(x, w, features[0])
        rgb: Tensor = self.to_rgb1(x, w)
        for i, to_rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * i](x, w, features[i + 1])  # (N, 2C, r, r)
            x = self.convs[2 * i + 1](x, w, features[i + 1])
            rgb = to_rgb(x, w, rgb)
        return rgb


class _Constant(nn.Module):
    """The learned 4 × 4 picture that synthesis starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class GPEN(nn.Module):
    """A GPEN generator: a damaged face in, a restored face out.

    Convention: RGB in [-1, 1]; the answer may go beyond, and is to be clipped by the caller.

    Build it under `torch.device("meta")` and load with `load_state_dict(..., assign=True)` to
    allocate the weights only once.

    Args:
        config: The network's numbers.
        reference: Make the weights of every sample, as the paper defines it, instead of the exact
            and much cheaper rewrite. Both have the same parameters.
    """

    def __init__(self, config: GPENConfig, *, reference: bool = False) -> None:
        super().__init__()
        self.config = config
        self.generator = _Generator(config, reference=reference)
        depth = int(math.log2(config.in_size)) - 2
        widths = config.channels[depth::-1]  # from in_size down to 4 × 4
        self._stages = [f"ecd{level}" for level in range(depth + 1)]
        first = nn.Sequential(Conv(3, widths[0], 1), BiasActivation(widths[0]))
        self.ecd0 = nn.Sequential(first)
        for name, above, width in zip(self._stages[1:], widths, widths[1:], strict=False):
            halving = (Blur(padding=2), Conv(above, width, 3, stride=2), BiasActivation(width))
            self.add_module(name, nn.Sequential(nn.Sequential(*halving)))
        self.final_linear = nn.Sequential(Linear(widths[-1] * 16, config.style_dim, activated=True))

    def forward(self, image: Tensor, *, noise: torch.Generator | None = None) -> Tensor:
        """Restore faces.

        Args:
            image: (N, 3, in_size, in_size).
            noise: Draws what joins the levels above `in_size` in a super-resolution variant; None
                puts zeros there.

        Returns:
            (N, 3, size, size).
        """
        features: list[Tensor] = []
        x = image
        for name in self._stages:
            x = self.get_submodule(name)(x)  # (N, C, r, r), r halving
            features.append(x)
        code = self.final_linear(x.flatten(1))  # (N, style_dim)
        features.reverse()
        for level in range(len(features), len(self.config.channels)):
            shape = (len(image), self.config.channels[level], 4 << level, 4 << level)
            features.append(
                image.new_zeros(shape)
                if noise is None
                else torch.randn(shape, generator=noise, device=noise.device).to(image)
            )
        answer: Tensor = self.generator(code, features)
        return answer
