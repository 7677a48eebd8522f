"""The encoders of a GPEN generator as ONNX: a code, and a feature map for each size."""

from __future__ import annotations

import math

from ...networks.gpen_config import EXPANSION, NORM_EPSILON, RESNET_BLOCKS, norm_groups, stage_at
from ..architecture import Architecture
from .builder import GAIN, Graph
from .pixel_blocks import enter_blocks


def encode(graph: Graph, net: Architecture, image: str) -> tuple[str, dict[int, str]]:
    """Write the encoder; returns the code (1, style_dim) and the feature map of each size."""
    if net.is_resnet:
        return _resnet(graph, net, image)
    return _strided(graph, net, image)


def _strided(graph: Graph, net: Architecture, image: str) -> tuple[str, dict[int, str]]:
    """The published encoder."""
    side, depth = net.entry_side, int(math.log2(net.entry_side)) - 2
    widths = net.channels[depth::-1]
    if net.subpixel > 1:
        x = enter_blocks(graph, "ecd0.0", image, net)
    else:
        x = _one_by_one(graph, "ecd0.0", image, 3)
    features = {side: x}
    for level in range(1, depth + 1):
        name, fan_in = f"ecd{level}.0", widths[level - 1] * 9
        x = graph.blur(x, f"{name}.0.kernel", widths[level - 1], 2, GAIN / math.sqrt(fan_in))
        bias = graph.scaled(f"{name}.2.bias", GAIN)
        x = graph.add("Conv", x, graph.weight(f"{name}.1.weight"), bias, strides=[2, 2])
        x = features[side >> level] = graph.leaky(x)
    flat = graph.add("Flatten", x)
    code = graph.leaky(graph.linear("final_linear.0", flat, gain=GAIN))
    return code, features if net.encoder_features else {}


def _one_by_one(graph: Graph, name: str, x: str, inputs: int) -> str:
    """A 1 × 1 convolution at the equalised learning rate, its bias and activation."""
    x = graph.add("Mul", x, graph.constant(GAIN / math.sqrt(inputs)))
    bias = graph.scaled(f"{name}.1.bias", GAIN)
    return graph.leaky(graph.add("Conv", x, graph.weight(f"{name}.0.weight"), bias))


def _resnet(graph: Graph, net: Architecture, image: str) -> tuple[str, dict[int, str]]:
    """A residual network, and a 1 × 1 convolution for each level."""
    width, side = net.encoder_width, net.size // 2
    weight = graph.weight("encoder.conv1.weight")
    x = graph.add("Conv", image, weight, strides=[2, 2], pads=[3] * 4)
    x = graph.add("Relu", _norm(graph, net, "encoder.norm1", x, width, side))
    maps = [image, x]
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    side //= 2
    for number, blocks in enumerate(RESNET_BLOCKS[net.encoder]):
        for block in range(blocks):
            name, stride = f"encoder.layer{number + 1}.{block}", 2 if number and not block else 1
            x = _bottleneck(graph, net, name, x, width << number, side, stride, first=block == 0)
            side = -(-side // stride)
        maps.append(x)
    mean = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    code = graph.linear("encoder.fc", mean)
    return code, _laterals(graph, net, maps) if net.encoder_features else {}


def _bottleneck(
    graph: Graph,
    net: Architecture,
    name: str,
    x: str,
    width: int,
    side: int,
    stride: int,
    *,
    first: bool,
) -> str:
    """1 × 1, 3 × 3 and 1 × 1 beside a shortcut, from maps of a side."""
    before, side, outputs = side, -(-side // stride), EXPANSION * width
    shortcut = x
    if first:
        weight = graph.weight(f"{name}.downsample.0.weight")
        shortcut = graph.add("Conv", x, weight, strides=[stride, stride])
        shortcut = _norm(graph, net, f"{name}.downsample.1", shortcut, outputs, side)
    y = graph.add("Conv", x, graph.weight(f"{name}.conv1.weight"))
    y = graph.add("Relu", _norm(graph, net, f"{name}.norm1", y, width, before))
    weight = graph.weight(f"{name}.conv2.weight")
    y = graph.add("Conv", y, weight, strides=[stride, stride], pads=[1] * 4)
    y = graph.add("Relu", _norm(graph, net, f"{name}.norm2", y, width, side))
    y = graph.add("Conv", y, graph.weight(f"{name}.conv3.weight"))
    y = _norm(graph, net, f"{name}.norm3", y, outputs, side)
    return graph.add("Relu", graph.add("Add", y, shortcut))


def _norm(graph: Graph, net: Architecture, name: str, x: str, channels: int, side: int) -> str:
    """GroupNorm: opset 17 has none, but normalises each entry of an axis."""
    groups = norm_groups(net.encoder_width)
    x = graph.add("Reshape", x, graph.constant([1, groups, -1]))
    x = graph.normalised(x, groups, NORM_EPSILON)
    x = graph.add("Reshape", x, graph.constant([1, channels, side, side]))
    x = graph.add("Mul", x, graph.shaped(f"{name}.weight", [1, -1, 1, 1]))
    return graph.add("Add", x, graph.shaped(f"{name}.bias", [1, -1, 1, 1]))


def _laterals(graph: Graph, net: Architecture, maps: list[str]) -> dict[int, str]:
    """The feature of each level, from the highest down, whose maps shrink after the last stage."""
    levels = len(net.channels)
    features, pooled = {}, maps[-1]
    for level in reversed(range(levels)):
        stage = stage_at(level, levels)
        x = maps[stage]
        if levels - 1 - level > stage:
            x = pooled = graph.add("AveragePool", pooled, kernel_shape=[2, 2], strides=[2, 2])
        inputs = net.lateral_inputs[level]
        features[4 << level] = _one_by_one(graph, f"laterals.{level}", x, inputs)
    return features
