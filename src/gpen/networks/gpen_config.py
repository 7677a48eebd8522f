"""The configuration of a GPEN generator; free of torch, so that weight files can use it.

Sources: GPEN (Yang et al., CVPR 2021, arXiv 2105.06070) for the published network; ResNet (He et
al., CVPR 2016), AdaIN (Huang & Belongie, ICCV 2017) and GroupNorm (Wu & He, ECCV 2018) for the
parts of the described one; sub-pixel convolution (Shi et al., CVPR 2016) for the sub-pixel one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Encoder = Literal["conv", "resnet50", "resnet101"]
Injection = Literal["concat", "add", "adain"]
Upsampling = Literal["blur", "nearest"]
Subpixel = Literal[1, 4]

#: Blocks of the four layers of each ResNet (He et al., table 1).
RESNET_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
#: Channels of a ResNet's first layer, as published.
ENCODER_WIDTH = 64
#: Channels at half the size before a sub-pixel network's output.
REFINE_WIDTH = 16
#: How much wider than its 3 × 3 convolution a bottleneck block is.
EXPANSION = 4
#: Added to the variances by GroupNorm and AdaIN.
NORM_EPSILON = 1e-5

_WIDEST, _GROUPS = 512, 32


@dataclass(frozen=True, slots=True)
class GPENConfig:
    """A GPEN generator: its numbers, and a choice for each of its parts.

    Every choice can be combined with every other but `subpixel` 4, which needs the encoder "conv"
    and the injection "concat". Left out, they are those of the published family; the described one
    is a ResNet, "adain", "nearest" and `n_mlp` 2.

    Attributes:
        size: Side of the image it returns, in pixels: a power of two from 8.
        in_size: Side of the image it takes; smaller than `size` in super-resolution variants,
            which have the encoder "conv".
        style_dim: Length of code and style.
        n_mlp: Layers that map the encoder's code to the style; published 8, described 2.
        channels: Width of each level, from 4 × 4 to `size` × `size`, over `subpixel`.
        encoder: What turns the image into a code: "conv" halves it by strided convolutions down
            to 4 × 4; "resnet50" and "resnet101" are residual networks.
        encoder_features: Whether a feature map of the encoder joins every level of synthesis.
        injection: How code and features enter a layer. "concat" modulates its weights by the style
            and puts the feature beside its output; "add" adds it, so that the layer is one of
            StyleGAN2; "adain" adds it too, and the style sets mean and deviation of the output.
        upsampling: "blur" is a transposed convolution and a blur, "nearest" doubles every pixel
            before the convolution; the image of the levels below is enlarged likewise.
        encoder_width: Width of a ResNet's first layer, published 64; even.
        subpixel: Side of the blocks of pixels that the encoder takes as channels of one pixel, and
            that synthesis turns back into pixels. With 4 the levels end at `size` / 4, and the
            output is the image plus a change to it.
        refine_width: Channels at half the size, just before the change is read off; only with
            `subpixel` 4.

    Raises:
        ValueError: The numbers contradict each other.
    """

    size: int
    in_size: int
    style_dim: int
    n_mlp: int
    channels: tuple[int, ...]
    encoder: Encoder = "conv"
    encoder_features: bool = True
    injection: Injection = "concat"
    upsampling: Upsampling = "blur"
    encoder_width: int = ENCODER_WIDTH
    subpixel: Subpixel = 1
    refine_width: int = REFINE_WIDTH

    def __post_init__(self) -> None:
        choices = (
            ("encoder", Encoder),
            ("injection", Injection),
            ("upsampling", Upsampling),
            ("subpixel", Subpixel),
        )
        for name, known in choices:
            if getattr(self, name) not in get_args(known):
                expected = ", ".join(map(str, get_args(known)))
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {expected}")
        self._check_sides()
        self._check_subpixel()
        if self.n_mlp < 0:
            raise ValueError(f"n_mlp is {self.n_mlp}; expected 0 or more layers")
        if self.injection == "concat" and not self.encoder_features:
            raise ValueError(
                "injection is 'concat' and encoder_features is False, so there is nothing to put "
                "beside a layer's output; expected encoder_features, or 'add' or 'adain'"
            )
        if self.is_resnet and self.in_size != self.size:
            raise ValueError(
                f"a {self.encoder} takes images of {self.size} px, the size that is returned; "
                f"got in_size {self.in_size}, which only the encoder 'conv' can do"
            )
        if self.is_resnet and (self.encoder_width < 2 or self.encoder_width % 2):
            raise ValueError(f"encoder_width is {self.encoder_width}; expected an even number")

    def _check_sides(self) -> None:
        sides = {4 * self.subpixel << level for level in range(1, len(self.channels))}
        if {self.size, self.in_size} <= sides and self.size == max(sides):
            return
        blocks = f" of blocks of {self.subpixel} pixels" if self.subpixel > 1 else ""
        raise ValueError(
            f"a network with {len(self.channels)} widths has sides 4 to "
            f"{4 << (len(self.channels) - 1)}{blocks}; got size {self.size}, "
            f"in_size {self.in_size}"
        )

    def _check_subpixel(self) -> None:
        if self.subpixel == 1:
            return
        if (self.encoder, self.injection) != ("conv", "concat") or self.in_size != self.size:
            raise ValueError(
                f"a network with subpixel {self.subpixel} has the encoder 'conv', the injection "
                f"'concat' and the same in_size as size; got {self.encoder!r}, "
                f"{self.injection!r} and {self.in_size} for {self.size}"
            )
        if self.refine_width < 1:
            raise ValueError(f"refine_width is {self.refine_width}; expected at least 1 channel")

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
        encoder: Encoder = "conv",
        encoder_features: bool = True,
        injection: Injection = "concat",
        upsampling: Upsampling = "blur",
        encoder_width: int = ENCODER_WIDTH,
        subpixel: Subpixel = 1,
        refine_width: int = REFINE_WIDTH,
    ) -> GPENConfig:
        """The network that the published code builds from these numbers, with other parts."""
        return cls(
            size=size,
            in_size=in_size or size,
            style_dim=style_dim,
            n_mlp=n_mlp,
            channels=published_channels(size // subpixel, channel_multiplier, narrow),
            encoder=encoder,
            encoder_features=encoder_features,
            injection=injection,
            upsampling=upsampling,
            encoder_width=encoder_width,
            subpixel=subpixel,
            refine_width=refine_width,
        )

    @property
    def is_resnet(self) -> bool:
        """Whether a residual network encodes the image."""
        return self.encoder != "conv"

    @property
    def kind(self) -> str:
        """The family.

        `gpen`, `gpen-sr`, `gpen-described`, `gpen-subpixel`, or `gpen-modular` for all others.
        """
        if self.subpixel > 1:
            return "gpen-subpixel"
        parts = (self.encoder_features, self.injection, self.upsampling)
        if not self.is_resnet and parts == (True, "concat", "blur"):
            return "gpen" if self.in_size == self.size else "gpen-sr"
        described = self.is_resnet and parts[1:] == ("adain", "nearest") and self.n_mlp == 2
        return "gpen-described" if described else "gpen-modular"

    @property
    def joined(self) -> int:
        """How often as wide as its convolution a styled layer's output is."""
        return 2 if self.injection == "concat" else 1

    @property
    def entry_side(self) -> int:
        """Side of the first feature map of the encoder "conv"."""
        return self.in_size // self.subpixel

    @property
    def entry_channels(self) -> int:
        """Channels that the encoder "conv" takes: the colours of every pixel of a block."""
        return 3 * self.subpixel**2

    @property
    def lateral_inputs(self) -> tuple[int, ...]:
        """Channels that each level, from 4 × 4 up, takes from a ResNet; see `stage_at`."""
        width = self.encoder_width
        stages = (3, width, *(width * EXPANSION << layer for layer in range(4)))
        levels = len(self.channels)
        return tuple(stages[stage_at(level, levels)] for level in range(levels))


def stage_at(level: int, levels: int) -> int:
    """The stage of a ResNet that a level of synthesis sees.

    From the image itself (0), which the highest level sees, through the stem (1) and layer 1 (2)
    to layer 4 (5), each of half the side. Lower levels see the last one, averaged.
    """
    return min(levels - 1 - level, 5)


def norm_groups(width: int) -> int:
    """Groups of every GroupNorm in a ResNet of this width: 32 of the published one."""
    return math.gcd(_GROUPS, width // 2)


def published_channels(size: int, channel_multiplier: float, narrow: float) -> tuple[int, ...]:
    """Widths of the levels 4, 8, …, `size`: full up to 32 px, then halved at every level."""
    widths = []
    for level in range(int(math.log2(size)) - 1):
        full = _WIDEST if level < 4 else (_WIDEST >> (level - 3)) * channel_multiplier
        widths.append(int(full * narrow))
    return tuple(widths)
