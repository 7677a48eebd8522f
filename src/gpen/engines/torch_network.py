"""A GPEN generator optimised for inference in torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from ..models import Architecture
from ..models import Tensor as StoredTensor
from ..networks.gpen import GPEN
from .torch_layers import GAIN, Convolution, Linear, Source, Step, StyledConv, ToRGB

_SLOPE, _EPSILON, _MAPPING_LR = 0.2, 1e-8, 0.01


class InferenceNetwork:
    """Computes the same as `gpen.networks.gpen.GPEN`, with prepared weights; see `torch_layers`.

    Args:
        net: The network's numbers.
        tensors: All its tensors.
        device: Where it runs.
        dtype: What its convolutions compute in.
    """

    def __init__(
        self,
        net: Architecture,
        tensors: Mapping[str, StoredTensor],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        source = Source(tensors, device, dtype)
        self._encode = _Residual(source, net) if net.is_resnet else _Strided(source, net)
        self._mapping = [
            Linear(source, f"generator.style.{layer}", lr=_MAPPING_LR, gain=GAIN)
            for layer in range(1, net.n_mlp + 1)
        ]
        start = source("generator.input.input").to(dtype)
        self._start = start.contiguous(memory_format=source.layout)

        def styled(name: str, step: Step) -> StyledConv:
            return StyledConv(source, name, step, concat=net.injection == "concat")

        self._convs = [styled("generator.conv1", "same")]
        self._levels = range(1, len(net.channels))
        for i in range(len(self._levels)):
            self._convs.append(styled(f"generator.convs.{2 * i}", net.upsampling))
            self._convs.append(styled(f"generator.convs.{2 * i + 1}", "same"))
        self._to_rgbs, self._to_pixels = [], None
        if net.subpixel == 1:
            names = ("to_rgb1", *(f"to_rgbs.{i}" for i in range(len(self._levels))))
            self._to_rgbs = [ToRGB(source, f"generator.{name}") for name in names]
        else:
            self._to_pixels = _ToPixels(source)

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, in_size, in_size) f32 → (N, 3, size, size) f32, contiguous."""
        code, features = self._encode(images)
        w = code * torch.rsqrt(code.square().mean(dim=1, keepdim=True) + _EPSILON)
        for layer in self._mapping:
            w = functional.leaky_relu(layer(w), _SLOPE)
        x = self._start.expand(len(images), -1, -1, -1)
        x = self._convs[0](x, w, features.get(0))
        rgb = self._to_rgbs[0](x, w, None) if self._to_rgbs else images
        for level in self._levels:
            for conv in self._convs[2 * level - 1 : 2 * level + 1]:
                x = conv(x, w, features.get(level))
            if self._to_rgbs:
                rgb = self._to_rgbs[level](x, w, rgb)
        return rgb if self._to_pixels is None else self._to_pixels(x, rgb)


class _Strided:
    """The published encoder."""

    def __init__(self, source: Source, net: Architecture) -> None:
        depth = int(math.log2(net.entry_side)) - 2
        widths = net.channels[depth::-1]
        self._first = _OneByOne(source, "ecd0.0", block=net.subpixel)
        self._stages = []
        for level, (above, _) in enumerate(pairwise(widths), start=1):
            name = f"ecd{level}.0"
            weight = source(f"{name}.1.weight") * (GAIN / math.sqrt(9 * above))
            conv = Convolution(source, weight, "halve", source(f"{name}.0.kernel"))
            bias = GAIN * source(f"{name}.2.bias")
            self._stages.append((conv, bias.to(source.dtype)))
        self._linear = Linear(source, "final_linear.0", gain=GAIN)
        self._dtype, self._layout = source.dtype, source.layout
        self._gives_features = net.encoder_features

    def __call__(self, images: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The code (N, style_dim) in f32, and the feature of each level that has one."""
        x = self._first(images.to(self._dtype).contiguous(memory_format=self._layout))
        features = [x]
        for conv, bias in self._stages:
            x = functional.leaky_relu_(conv(x, bias), _SLOPE)
            features.append(x)
        code = functional.leaky_relu(self._linear(x.float().flatten(1)), _SLOPE)
        return code, dict(enumerate(reversed(features))) if self._gives_features else {}


class _OneByOne:
    """A 1 × 1 convolution and an activation; of blocks of pixels, whose channels it then takes."""

    def __init__(self, source: Source, name: str, *, block: int = 1) -> None:
        weight = source(f"{name}.0.weight")
        weight = weight * (GAIN / math.sqrt(weight.shape[1]))
        self._weight = source.weight(weight.reshape(len(weight), -1, block, block))
        self._block = block
        self._bias = (GAIN * source(f"{name}.1.bias")).to(source.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """(N, in, r, r) → (N, out, r / block, r / block)."""
        x = functional.conv2d(x, self._weight, self._bias, stride=self._block)
        return functional.leaky_relu_(x, _SLOPE)


class _ToPixels:
    """A sub-pixel network's change to its image, which is added in f32."""

    def __init__(self, source: Source) -> None:
        name = "generator.to_pixels"
        expand, refine = source(f"{name}.expand.weight"), source(f"{name}.refine.weight")
        self._expand = source.weight(expand * (GAIN / math.sqrt(expand.shape[1])))
        refine = refine / math.sqrt(9 * refine.shape[1])
        self._refine = source.weight(refine[:, :-12])
        # A kernel of 3 × 3 blocks of 2 × 2 pixels is one of 6 × 6 pixels of the image itself.
        blocks = refine[:, -12:].reshape(12, 3, 2, 2, 3, 3).permute(0, 1, 4, 2, 5, 3)
        self._refine_image = source.weight(blocks.reshape(12, 3, 6, 6))
        # The activation comes before the shuffle here, where four channels share a bias.
        bias = GAIN * source(f"{name}.activate.bias").repeat_interleave(4)
        self._bias, self._layout = bias.to(source.dtype), source.layout

    def __call__(self, x: Tensor, image: Tensor) -> Tensor:
        """(N, in, size / 4, size / 4) and (N, 3, size, size) f32 → (N, 3, size, size) f32."""
        x = functional.leaky_relu_(functional.conv2d(x, self._expand, self._bias), _SLOPE)
        x = functional.pixel_shuffle(x, 2).contiguous(memory_format=self._layout)
        beside = image.to(x.dtype).contiguous(memory_format=self._layout)
        beside = functional.conv2d(beside, self._refine_image, stride=2, padding=2)
        change = functional.conv2d(x, self._refine, padding=1).add_(beside)
        return image + functional.pixel_shuffle(change.float(), 2).contiguous()


class _Residual:
    """A ResNet and a 1 × 1 convolution for each level; torch chooses what stays f32 (autocast)."""

    def __init__(self, source: Source, net: Architecture) -> None:
        with torch.device("meta"):
            module = GPEN(net)
        self._encoder = module.encoder
        state = {name: source(f"encoder.{name}") for name in self._encoder.state_dict()}
        self._encoder.load_state_dict(state, assign=True)
        self._encoder.eval().requires_grad_(requires_grad=False)
        levels = range(len(net.channels)) if net.encoder_features else range(0)
        self._laterals = [_OneByOne(source, f"laterals.{level}") for level in levels]
        self._dtype, self._device = source.dtype, source.device

    def __call__(self, images: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The code (N, style_dim) in f32, and the feature of each level."""
        mixed = self._dtype != torch.float32
        with torch.autocast(self._device.type, self._dtype, enabled=mixed):
            code, maps = self._encoder(images)
        maps = [x.to(self._dtype) for x in maps[: len(self._laterals)]]
        while len(maps) < len(self._laterals):  # below 1/32 of the side
            maps.append(functional.avg_pool2d(maps[-1], 2))
        joined = zip(self._laterals, reversed(maps), strict=True)
        return code.float(), {level: lateral(x) for level, (lateral, x) in enumerate(joined)}
