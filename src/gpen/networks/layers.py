"""The layers that GPEN's networks are made of, in plain torch.

Source: StyleGAN2 (Karras et al., CVPR 2020). Every layer stores the weights as published, and
applies the equalised learning rate when it runs: weight / √fan_in · lr, bias · lr.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .gpen_config import NORM_EPSILON, Upsampling

_EPSILON = 1e-8


def activate(x: Tensor) -> Tensor:
    """√2 · leaky ReLU of slope 0.2, which keeps the variance of a Gaussian."""
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """One over the norm of each output channel's modulated weight: (N, out).

    Args:
        weight: (out, in, k, k), the learning rate already applied.
        style: (N, in).
    """
    squares = weight.square().sum(dim=(2, 3))  # (out, in)
    return torch.rsqrt(style.square() @ squares.t() + _EPSILON)


class Blur(nn.Module):
    """Convolve each channel with [1, 3, 3, 1] ⊗ [1, 3, 3, 1], summing to `gain`."""

    kernel: Tensor

    def __init__(self, padding: int, gain: float = 1.0) -> None:
        super().__init__()
        self.padding = padding
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) * (gain / 64))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, h + 2·padding - 3, w + 2·padding - 3)."""
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return functional.conv2d(x, weight, padding=self.padding, groups=x.shape[1])


class Upsample(nn.Module):
    """Double the sides: a zero after every pixel, then the blur with gain 4, padded by (2, 1)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) / 16)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, 2h, 2w)."""
        # A transposed convolution inserts the zeros; the kernel is symmetric, so it is not turned.
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


class Conv(nn.Module):
    """Convolution at the equalised learning rate, without bias."""

    def __init__(self, inputs: int, outputs: int, side: int, *, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.scale = 1 / math.sqrt(inputs * side * side)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, outputs, h', w')."""
        return functional.conv2d(
            x, self.weight * self.scale, stride=self.stride, padding=self.padding
        )


class BiasActivation(nn.Module):
    """Add a bias to each channel, then activate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → the same shape."""
        return activate(x + self.bias.to(x.dtype).view(1, -1, 1, 1))


class Linear(nn.Module):
    """Linear layer at the equalised learning rate.

    Args:
        inputs: Length of a row.
        outputs: Length of a row of the output.
        lr: Learning-rate multiplier of weight and bias.
        bias: Value that the bias starts from.
        activated: Whether the activation follows.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        lr: float = 1.0,
        bias: float = 0.0,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale, self.lr, self.activated = lr / math.sqrt(inputs), lr, activated

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) → (N, outputs)."""
        x = functional.linear(x, self.weight * self.scale, self.bias * self.lr)
        return activate(x) if self.activated else x


class AdaIN(nn.Module):
    """Give each channel the mean and the deviation that a style asks for.

    Source: Huang & Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
    Normalization", ICCV 2017, their scale and shift from a linear layer of the style. Scales start
    around 1 and shifts around 0.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2 * channels, style_dim))
        self.bias = nn.Parameter(torch.cat([torch.ones(channels), torch.zeros(channels)]))
        self.factor = 1 / math.sqrt(style_dim)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, C, h, w) and styles (N, style_dim) → the shape of x."""
        style = functional.linear(w, self.weight * self.factor, self.bias)[:, :, None, None]
        scale, shift = style.chunk(2, dim=1)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # bf16 would lose the variance
        variance, mean = torch.var_mean(wide, dim=(2, 3), correction=0, keepdim=True)
        wide = (wide - mean) * torch.rsqrt(variance + NORM_EPSILON)
        return (wide * scale + shift).to(x.dtype)


class PixelNorm(nn.Module):
    """Divide each row by its root mean square."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) → the same shape."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + _EPSILON)


def convolve(x: Tensor, weight: Tensor, upsampling: Upsampling | None, groups: int = 1) -> Tensor:
    """Convolve without changing the sides, or doubling them.

    Args:
        x: (N, groups · in, r, r).
        weight: (groups · out, in, k, k), k odd.
        upsampling: "nearest" doubles every pixel first; "blur" is a transposed convolution, of one
            row and column too many, that a blur is to follow.
        groups: Convolutions done side by side.
    """
    side = weight.shape[-1]
    if upsampling == "blur":  # a transposed convolution wants (groups · in, out, k, k)
        inputs = weight.shape[1]
        weight = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2)
        weight = weight.reshape(groups * inputs, -1, *weight.shape[3:])
        return functional.conv_transpose2d(x, weight, stride=2, groups=groups)
    if upsampling == "nearest":
        x = functional.interpolate(x, scale_factor=2, mode="nearest")
    return functional.conv2d(x, weight, padding=side // 2, groups=groups)


class PlainConv(nn.Module):
    """Convolution at the equalised learning rate that keeps or doubles the sides, without bias."""

    def __init__(
        self, inputs: int, outputs: int, side: int, *, upsampling: Upsampling | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.blur = Blur(padding=1, gain=4) if upsampling == "blur" else None
        self.scale = 1 / math.sqrt(inputs * side * side)
        self.upsampling = upsampling

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, r, r) → (N, outputs, r or 2r, r or 2r)."""
        x = convolve(x, self.weight * self.scale, self.upsampling)
        return x if self.blur is None else self.blur(x)


class ModulatedConv(nn.Module):
    """Convolution whose weights are scaled by a style, for each sample of the batch.

    `reference` chooses between the meaning and an exact rewrite of it:

    - True: weights are made for each sample and applied by a grouped convolution;
    - False: the style scales the *input* and the demodulation the *output* of one shared
      convolution. Much cheaper, and simple to export.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        upsampling: Upsampling | None = None,
        reference: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, side, side))
        self.blur = Blur(padding=1, gain=4) if upsampling == "blur" else None
        self.modulation = Linear(style_dim, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * side * side)
        self.upsampling = upsampling
        self.demodulate, self.reference = demodulate, reference

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, inputs, r, r) and styles (N, style_dim) → (N, outputs, r or 2r, r or 2r)."""
        style, weight = self.modulation(w), self.weight[0] * self.scale
        if self.reference:
            return self._per_sample(x, weight, style)
        x = convolve(x * style.to(x.dtype)[:, :, None, None], weight, self.upsampling)
        if self.demodulate:
            x = x * demodulation(weight, style)[:, :, None, None].to(x.dtype)
        return x if self.blur is None else self.blur(x)

    def _per_sample(self, x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        batch = x.shape[0]
        weights = weight[None] * style[:, None, :, None, None]  # (N, out, in, k, k)
        if self.demodulate:
            squares = weights.square().sum(dim=(2, 3, 4), keepdim=True)
            weights = weights * torch.rsqrt(squares + _EPSILON)
        x = x.reshape(1, -1, *x.shape[2:])  # (1, N·in, r, r)
        x = convolve(x, weights.flatten(0, 1), self.upsampling, groups=batch)
        x = x.reshape(batch, -1, *x.shape[2:])
        return x if self.blur is None else self.blur(x)
