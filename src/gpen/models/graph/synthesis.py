"""The mapping network and the synthesis of a GPEN generator as ONNX."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...networks.gpen_config import NORM_EPSILON
from ..architecture import Architecture
from .builder import GAIN, Graph
from .pixel_blocks import change_image

_MAPPING_LR = 0.01
_EPSILON = 1e-8


def map_code(graph: Graph, x: str, net: Architecture) -> str:
    """The mapping network: pixel norm, then linear layers."""
    square = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[1])
    norm = graph.add("Sqrt", graph.add("Add", square, graph.constant(_EPSILON)))
    x = graph.add("Div", x, norm)
    for layer in range(1, net.n_mlp + 1):
        x = graph.leaky(graph.linear(f"generator.style.{layer}", x, lr=_MAPPING_LR, gain=GAIN))
    return x


def synthesise(
    graph: Graph,
    style: str,
    features: Mapping[int, str],
    net: Architecture,
    image: str,
    output: str,
) -> None:
    """From the learned constant up to the image, which gets the name `output`."""
    x = graph.weight("generator.input.input")
    x = _styled_conv(graph, net, "generator.conv1", x, style, feature=features.get(4), size=4)
    rgb = _to_rgb(graph, net, "generator.to_rgb1", x, style) if net.subpixel == 1 else ""
    for i in range(len(net.channels) - 1):
        size = 8 << i
        for name in (f"generator.convs.{2 * i}", f"generator.convs.{2 * i + 1}"):
            x = _styled_conv(graph, net, name, x, style, feature=features.get(size), size=size)
        if not rgb:
            continue
        name = f"generator.to_rgbs.{i}"
        if net.upsampling == "nearest":
            rgb = _doubled(graph, rgb)
        else:
            kernel = graph.scaled(f"{name}.upsample.kernel", 1.0, [1, 1, 4, 4])
            kernel = graph.add("Expand", kernel, graph.constant([3, 1, 4, 4]))
            rgb = graph.add("ConvTranspose", rgb, kernel, group=3, strides=[2, 2], pads=[1] * 4)
        last = output if i == len(net.channels) - 2 else None
        rgb = graph.add("Add", rgb, _to_rgb(graph, net, name, x, style), out=last)
    if not rgb:
        change_image(graph, x, image, net, output)


def _styled_conv(
    graph: Graph,
    net: Architecture,
    name: str,
    x: str,
    style: str,
    *,
    feature: str | None,
    size: int,
) -> str:
    """A 3 × 3 convolution that style and feature enter, with bias and activation."""
    if net.injection == "adain":
        x = _plain_conv(graph, net, name, x)
    else:
        x = _modulated_conv(graph, net, name, x, style)
    if net.injection == "concat":
        return _beside(graph, name, x, feature, size)
    if feature is not None:
        # The feature first: OpenVINO 2026 adds into the first operand, even where it is a constant,
        # as the output of the first plain convolution is, and would be off from its second run on.
        x = graph.add("Add", graph.add("Mul", feature, _strength(graph, name)), x)
    elif net.encoder_features:
        graph.keep(f"{name}.noise.weight")
    x = graph.leaky(graph.add("Add", x, graph.scaled(f"{name}.activate.bias", GAIN, [1, -1, 1, 1])))
    return _adain(graph, f"{name}.adain", x, style) if net.injection == "adain" else x


def _modulated_conv(graph: Graph, net: Architecture, name: str, x: str, style: str) -> str:
    """Modulated and demodulated, times the activation's gain."""
    key = f"{name}.conv.weight"
    weight, (inputs, _) = graph.weight(key), graph.channels(key)
    x, scale = _modulate(graph, f"{name}.conv", x, style, inputs * 9)
    x = _convolve(graph, net, name, x, weight)
    return graph.add("Mul", x, _demodulation(graph, key, scale))


def _plain_conv(graph: Graph, net: Architecture, name: str, x: str) -> str:
    """At the equalised learning rate, times the activation's gain; both are part of the weight."""
    key = f"{name}.conv.weight"
    inputs, _ = graph.channels(key)
    return _convolve(graph, net, name, x, graph.scaled(key, GAIN / math.sqrt(inputs * 9)))


def _convolve(graph: Graph, net: Architecture, name: str, x: str, weight: str) -> str:
    """The convolution itself; the first of a level doubles the sides."""
    key = f"{name}.conv.weight"
    if graph.is_transposed(key):
        x = graph.add("ConvTranspose", x, weight, strides=[2, 2])
        return graph.blur(x, f"{name}.conv.blur.kernel", graph.channels(key)[1], 1)
    if _doubles(name) and net.upsampling == "nearest":
        x = _doubled(graph, x)
    return graph.add("Conv", x, weight, pads=[1] * 4)


def _doubled(graph: Graph, x: str) -> str:
    """Every pixel twice along both sides."""
    return graph.add(
        "Resize",
        x,
        "",
        graph.constant([1.0, 1.0, 2.0, 2.0]),
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


def _doubles(name: str) -> bool:
    """Whether this is the first convolution of a level: `generator.convs.` and an even number."""
    return name.startswith("generator.convs.") and int(name.rpartition(".")[2]) % 2 == 0


def _beside(graph: Graph, name: str, x: str, feature: str | None, size: int) -> str:
    """Bias and activation, beside the feature with its own."""
    width = graph.channels(f"{name}.conv.weight")[1]
    bias, side_bias = graph.halves(graph.scaled(f"{name}.activate.bias", GAIN, [1, -1, 1, 1]))
    if feature is None:  # above the encoder of a super-resolution variant: noise, of strength zero
        graph.keep(f"{name}.noise.weight")
        side = graph.add("Expand", side_bias, graph.constant([1, width, size, size]))
    else:
        side = graph.add("Add", graph.add("Mul", feature, _strength(graph, name)), side_bias)
    x = graph.leaky(graph.add("Add", x, bias))
    return graph.add("Concat", x, graph.leaky(side), axis=1)


def _strength(graph: Graph, name: str) -> str:
    """How much of a feature joins, times the activation's gain."""
    return graph.scaled(f"{name}.noise.weight", GAIN)


def _adain(graph: Graph, name: str, x: str, style: str) -> str:
    """Mean and deviation of each channel from the style."""
    row = graph.add("Reshape", graph.linear(name, style), graph.constant([1, -1, 1, 1]))
    scale, shift = graph.halves(row)
    channels = graph.channels(f"{name.removesuffix('adain')}conv.weight")[1]
    x = graph.normalised(x, channels, NORM_EPSILON)
    return graph.add("Add", graph.add("Mul", x, scale), shift)


def _modulate(graph: Graph, name: str, x: str, style: str, fan_in: int) -> tuple[str, str]:
    """The input scaled by the style, and that style; the learning rate is part of it."""
    scale = graph.linear(f"{name}.modulation", style, gain=1 / math.sqrt(fan_in))
    shaped = graph.add("Reshape", scale, graph.constant([1, -1, 1, 1]))
    return graph.add("Mul", x, shaped), scale


def _demodulation(graph: Graph, key: str, scale: str) -> str:
    """√2 over the norm of each output channel's weights times the style."""
    weight, up = graph.weight(key), graph.is_transposed(key)
    # A mean over the 3 × 3 taps by pooling, because OpenVINO sums constants twenty times slower.
    mean = graph.add("AveragePool", graph.add("Mul", weight, weight), kernel_shape=[3, 3])
    mean = graph.add("Reshape", mean, graph.constant(list(graph.stored[key].shape[:2])))
    square = graph.add("Mul", scale, scale)
    squares = graph.add("Gemm", square, mean, alpha=9.0, transB=int(not up))
    norm = graph.add("Sqrt", graph.add("Add", squares, graph.constant(_EPSILON)))
    factor = graph.add("Div", graph.constant(GAIN), norm)
    return graph.add("Reshape", factor, graph.constant([1, -1, 1, 1]))


def _to_rgb(graph: Graph, net: Architecture, name: str, x: str, style: str) -> str:
    """A 1 × 1 convolution to three channels with bias, modulated unless AdaIN went before."""
    key = f"{name}.conv.weight"
    inputs, _ = graph.channels(key)
    if net.injection == "adain":
        weight = graph.scaled(key, 1 / math.sqrt(inputs))
        return graph.add("Conv", x, weight, graph.shaped(f"{name}.bias", [3]))
    x, _ = _modulate(graph, f"{name}.conv", x, style, inputs)
    bias = graph.shaped(f"{name}.bias", [3])
    return graph.add("Conv", x, graph.weight(key), bias)
