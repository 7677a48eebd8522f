"""Layers of GPEN generators for torch, with weights prepared for one device and precision.

The arithmetic is that of the exported graph (`gpen.models.graph`): a style scales the *input* of
a shared convolution and the demodulation its *output*; learning rates and √2 are part of weights,
factors and biases. What f16 cannot hold is kept from it by exact identities:

- the rows of a modulated weight have length 1, and a style is divided by its largest entry, so that
  no output of a convolution exceeds the length of the patch under it; both return in the
  demodulation, which is computed in f32 from squares that neither overflow nor vanish;
- styles, the mapping network, AdaIN and the sum of the images of all levels are f32.

Sources: StyleGAN2 (Karras et al., CVPR 2020); dividing styles and weights before a convolution in
f16 is an idea of StyleGAN2-ADA (Karras et al., NeurIPS 2020, appendix D.1), whose norms differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..models import Tensor as StoredTensor
from ..networks.gpen_config import NORM_EPSILON

GAIN = math.sqrt(2)
_SLOPE, _EPSILON = 0.2, 1e-8
#: A blur becomes part of its convolution where that has at most so many input channels: one pass
#: over a large image less, for four times the products.
FUSED_CHANNELS = {"cuda": 128}

Step = Literal["same", "blur", "nearest", "halve"]


class Source:
    """Provides the tensors of a network, prepared for one device and precision.

    Args:
        tensors: All tensors of the network.
        device: Where they shall lie.
        dtype: What convolutions compute in.
    """

    def __init__(
        self, tensors: Mapping[str, StoredTensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        self._tensors, self.device, self.dtype = tensors, device, dtype
        # Tensor cores want channels innermost; MPS has kernels for the other layout only.
        last = device.type != "mps"
        self.layout = torch.channels_last if last else torch.contiguous_format

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __call__(self, name: str) -> Tensor:
        """A tensor in f32 on the device."""
        values = np.array(self._tensors[name].float32(), order="C")
        return torch.from_numpy(values).to(self.device)

    def weight(self, values: Tensor) -> Tensor:
        """The weight of a convolution, (out, in, k, k), as convolutions want it."""
        return values.to(self.dtype).contiguous(memory_format=self.layout)

    def row(self, values: Tensor) -> Tensor:
        """One number for each channel, (1, C, 1, 1)."""
        return values.to(self.dtype).view(1, -1, 1, 1)

    def fuses(self, inputs: int) -> bool:
        """Whether a blur becomes part of a convolution with so many input channels."""
        return inputs <= FUSED_CHANNELS.get(self.device.type, 0)


class Linear:
    """A linear layer at the equalised learning rate, times a gain, in f32."""

    def __init__(self, source: Source, name: str, *, lr: float = 1.0, gain: float = 1.0) -> None:
        weight = source(f"{name}.weight")
        self._weight = weight * (gain * lr / math.sqrt(weight.shape[1]))
        self._bias = source(f"{name}.bias") * (gain * lr)

    def __call__(self, x: Tensor) -> Tensor:
        """(N, inputs) → (N, outputs)."""
        return functional.linear(x, self._weight, self._bias)


class Convolution:
    """A 3 × 3 convolution that keeps, doubles or halves the sides.

    Args:
        source: Says how to prepare it.
        weight: (out, in, 3, 3) f32.
        step: "same", "halve" (blurred first), "nearest" or "blur" (doubled).
        kernel: The 4 × 4 blur of "halve" and "blur".
    """

    def __init__(
        self, source: Source, weight: Tensor, step: Step, kernel: Tensor | None = None
    ) -> None:
        self._step, self._blur = step, None
        if kernel is not None and source.fuses(weight.shape[1]):
            weight = _blurred(weight, kernel)
        elif kernel is not None:
            channels = weight.shape[1 if step == "halve" else 0]
            self._blur = source.weight(kernel.expand(channels, 1, 4, 4))
        # Each blurs with padding 2, or crops 2 from what doubling yields; alone they pad none.
        self._padding = 1 if kernel is None else 2 * (self._blur is None)
        turned = weight.transpose(0, 1) if step == "blur" else weight
        self._weight = source.weight(turned)

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(N, in, r, r) → (N, out, r', r')."""
        blur, weight, padding = self._blur, self._weight, self._padding
        if self._step == "blur":
            x = functional.conv_transpose2d(x, weight, stride=2, padding=padding)
            if blur is not None:
                x = functional.conv2d(x, blur, padding=1, groups=len(blur))
            return x
        if self._step == "nearest":
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        if blur is not None:
            x = functional.conv2d(x, blur, padding=2, groups=len(blur))
        stride = 2 if self._step == "halve" else 1
        return functional.conv2d(x, weight, bias, stride=stride, padding=padding)


def _blurred(weight: Tensor, kernel: Tensor) -> Tensor:
    """(out, in, 3, 3) → (out, in, 6, 6): a convolution and a blur in one."""
    taps = weight.reshape(-1, 1, 3, 3)
    blurred = functional.conv2d(taps, kernel.flip(0, 1)[None, None], padding=3)
    return blurred.reshape(*weight.shape[:2], 6, 6)


def normalised_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows, (…, C), of length 1, and their lengths, (…, 1); rows of zeros stay."""
    lengths = rows.norm(dim=-1, keepdim=True)
    return rows / lengths.clamp_min(torch.finfo(rows.dtype).tiny), lengths


class Modulation:
    """The style of a convolution and its demodulation.

    Args:
        source: Has the tensors.
        name: Of the convolution.
        weight: (out, in, 3, 3) f32, as published.
    """

    def __init__(self, source: Source, name: str, weight: Tensor) -> None:
        outputs, inputs = weight.shape[:2]
        unit, self._lengths = normalised_rows(weight.flatten(1))  # (out, 9 · in), (out, 1)
        self.weight = unit.reshape(weight.shape)
        self._squares = self.weight.square().sum(dim=(2, 3)).t().contiguous()  # (in, out)
        self._lengths = self._lengths.view(1, outputs) / math.sqrt(inputs * 9)
        self._style, self._dtype = Linear(source, f"{name}.modulation"), source.dtype

    def __call__(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Styles (N, style_dim) → factors of the input (N, in, 1, 1) and output (N, out, 1, 1)."""
        style = self._style(w)
        largest = style.abs().amax(dim=1, keepdim=True).clamp_min(_EPSILON)
        style = style / largest
        lengths = self._lengths * largest  # of rows with learning rate and style, over unit ones
        squares = lengths.square() * (style.square() @ self._squares)
        factor = GAIN * lengths * torch.rsqrt(squares + _EPSILON)
        return style[:, :, None, None].to(self._dtype), factor[:, :, None, None].to(self._dtype)


class AdaIN:
    """Mean and deviation of each channel from the style, in f32."""

    def __init__(self, source: Source, name: str) -> None:
        self._linear = Linear(source, name)

    def __call__(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, C, r, r) → the same shape and dtype."""
        scale, shift = self._linear(w)[:, :, None, None].chunk(2, dim=1)
        variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0, keepdim=True)
        scale = scale * torch.rsqrt(variance + NORM_EPSILON)
        return torch.addcmul(shift - mean * scale, x.float(), scale).to(x.dtype)


class StyledConv:
    """A 3 × 3 convolution that style and feature enter, with bias and activation.

    Args:
        source: Has the tensors.
        name: Of the layer.
        step: Whether it doubles the sides.
        concat: Whether the feature stands beside the output, or is added to it.
    """

    def __init__(self, source: Source, name: str, step: Step, *, concat: bool) -> None:
        weight = source(f"{name}.conv.weight")
        kernel = source(f"{name}.conv.blur.kernel") if step == "blur" else None
        self._modulation = self._adain = None
        if weight.ndim == 5:
            self._modulation = Modulation(source, f"{name}.conv", weight[0])
            weight = self._modulation.weight
        else:
            self._adain = AdaIN(source, f"{name}.adain")
            weight = weight * (GAIN / math.sqrt(weight[0].numel()))
        self._conv = Convolution(source, weight, step, kernel)
        self._strength = GAIN * source(f"{name}.noise.weight") if has_noise(source, name) else None
        self._bias = source.row(GAIN * source(f"{name}.activate.bias"))
        self._concat, self._layout, self._one = concat, source.layout, self._bias.new_ones(())
        if self._strength is not None:
            self._strength = self._strength.to(source.dtype)

    def __call__(self, x: Tensor, w: Tensor, feature: Tensor | None) -> Tensor:
        """(N, in, r, r), styles (N, style_dim) and (N, out, r', r') → (N, joined, r', r')."""
        factor = self._one
        if self._modulation is not None:
            style, factor = self._modulation(w)
            x = x * style
        x = self._conv(x)
        x = self._beside(x, factor, feature) if self._concat else self._added(x, factor, feature)
        x = functional.leaky_relu_(x, _SLOPE)
        return x if self._adain is None else self._adain(x, w)

    def _beside(self, x: Tensor, factor: Tensor, feature: Tensor | None) -> Tensor:
        """Written where they stand together, which saves copying them there."""
        count, width, *sides = x.shape
        joined = torch.empty(
            (count, 2 * width, *sides), dtype=x.dtype, device=x.device, memory_format=self._layout
        )
        bias, side_bias = self._bias.chunk(2, dim=1)
        torch.addcmul(bias, x, factor, out=joined[:, :width])
        if feature is None or self._strength is None:
            joined[:, width:] = side_bias
        else:
            torch.addcmul(side_bias, feature, self._strength, out=joined[:, width:])
        return joined

    def _added(self, x: Tensor, factor: Tensor, feature: Tensor | None) -> Tensor:
        if feature is None or self._strength is None:
            return torch.addcmul(self._bias, x, factor)
        return torch.addcmul(torch.addcmul(self._bias, feature, self._strength), x, factor)


def has_noise(source: Source, name: str) -> bool:
    """Whether a layer takes a feature."""
    return f"{name}.noise.weight" in source


class ToRGB:
    """A level's image, added in f32 to those of the levels below."""

    def __init__(self, source: Source, name: str) -> None:
        weight = source(f"{name}.conv.weight")
        self._style = Linear(source, f"{name}.conv.modulation") if weight.ndim == 5 else None
        rows = weight.reshape(1, 3, -1)  # (1, 3, in)
        self._rows = rows / math.sqrt(rows.shape[2])
        self._bias = source(f"{name}.bias")
        kernel = f"{name}.upsample.kernel"
        self._kernel = source(kernel).expand(3, 1, 4, 4).contiguous() if kernel in source else None

    def __call__(self, x: Tensor, w: Tensor, rgb: Tensor | None) -> Tensor:
        """(N, in, r, r) and the image so far, (N, 3, r / 2, r / 2) → (N, 3, r, r) f32."""
        rows = self._rows.expand(len(x), -1, -1)
        if self._style is not None:
            rows = rows * self._style(w)[:, None]
        rows, lengths = normalised_rows(rows)
        image = torch.bmm(rows.to(x.dtype), x.flatten(2)).float()  # (N, 3, r · r)
        image = torch.addcmul(self._bias, image.view(-1, 3, *x.shape[2:]), lengths[..., None])
        if rgb is None:
            return image
        if self._kernel is None:
            return image.add_(functional.interpolate(rgb, scale_factor=2, mode="nearest"))
        below = functional.conv_transpose2d(rgb, self._kernel, stride=2, padding=1, groups=3)
        return image.add_(below)
