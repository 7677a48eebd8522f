"""Writes a GPEN generator as an ONNX graph, straight from its tensors.

The graph is the exact rewrite of the published network that needs no per-sample weights: a
modulated convolution scales its *input* by the style, convolves with the shared weight and scales
its *output* by the demodulation. Three more identities keep every constant off the large tensors
and every stored tensor equal to the published one, so that a graph can be turned back into the
weights it came from:

- the equalised learning rate of a convolution is part of its (small) style vector, and of the
  blur kernel in the encoder;
- √2 · leaky_relu(x) is leaky_relu(√2 · x), so √2 goes into demodulation, biases and kernels;
- `Gemm` has its own factors for a linear layer's learning rates.

Sources: GPEN (arXiv 2105.06070), StyleGAN2 (Karras et al., CVPR 2020).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .onnxfile import OnnxNode, write_onnx
from .specs import Architecture
from .tensors import Tensor

#: What ONNX Runtime of 2022 and TensorRT 8.5 read.
OPSET = 17
#: Part of the name of cached graphs: raise it when a graph is written differently.
GRAPH_VERSION = 1
INPUT, OUTPUT = "input", "output"

_GAIN = math.sqrt(2)
_SLOPE = 0.2
_MAPPING_LR = 0.01
_EPSILON = 1e-8

_MODULATED = re.compile(r"generator\..*\.conv\.weight")
_UPSAMPLING = re.compile(r"generator\.convs\.\d*[02468]\.conv\.weight")


def write_graph(
    tensors: Mapping[str, Tensor], net: Architecture, path: Path, notes: Mapping[str, str]
) -> None:
    """Write a network as ONNX: `input` (1, 3, in_size, in_size) → `output` (1, 3, size, size).

    Tensors keep their names and dtype; f16 ones are widened by the graph, which computes in f32.
    bf16 ones are stored as f32, since few runtimes read them.

    Args:
        tensors: All tensors of the network.
        net: Its numbers.
        path: File to write; one that is there is replaced.
        notes: Metadata to store.
    """
    graph = _Graph(tensors)
    style, features = _encode(graph, net)
    style = _map(graph, style, net)
    _synthesise(graph, style, features, net)
    write_onnx(
        path,
        inputs=[(INPUT, (1, 3, net.in_size, net.in_size))],
        outputs=[(OUTPUT, (1, 3, net.size, net.size))],
        nodes=graph.nodes,
        tensors=graph.stored,
        notes=notes,
        opset=OPSET,
    )


def tensors_of_graph(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors in a graph that `write_graph` wrote."""
    found = {}
    for name, tensor in stored.items():
        if name.startswith("/"):  # a number of the graph itself
            continue
        found[name] = tensor
        if _MODULATED.fullmatch(name) and len(tensor.shape) == 4:
            turned = tensor.transpose(1, 0, 2, 3) if _is_upsampling(name) else tensor
            found[name] = turned.reshape(1, *turned.shape)
    return found


def _is_upsampling(name: str) -> bool:
    """Whether this is the weight of a transposed convolution: (in, out, 3, 3) in a graph."""
    return _UPSAMPLING.fullmatch(name) is not None


class _Graph:
    """Nodes and stored tensors of a graph in the making."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.nodes: list[OnnxNode] = []
        self.stored: dict[str, Tensor] = {}
        self._source = tensors

    def add(self, operation: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Append an operation; returns the name of its output."""
        output = out or f"/{len(self.nodes)}/{operation}"
        self.nodes.append(OnnxNode(operation, inputs, [output], attributes))
        return output

    def constant(self, value: float | list[int]) -> str:
        """A number, or a row of whole numbers such as a shape."""
        whole = isinstance(value, list)
        name = f"/{value}"
        if name not in self.stored:
            bits = np.array(value, np.int64 if whole else np.float32)
            self.stored[name] = Tensor("i64" if whole else "f32", bits)
        return name

    def weight(self, name: str) -> str:
        """A tensor of the network in f32, its axes as convolutions want them."""
        tensor = self._source[name]
        if len(tensor.shape) == 5:
            tensor = tensor.reshape(*tensor.shape[1:])
        if _is_upsampling(name):
            tensor = tensor.transpose(1, 0, 2, 3)
        if tensor.dtype not in ("f32", "f16"):
            tensor = Tensor("f32", tensor.float32())
        if name not in self.stored:
            self.stored[name] = tensor
            if tensor.dtype == "f16":
                self.add("Cast", name, out=f"/{name}", to=1)
        return name if tensor.dtype == "f32" else f"/{name}"

    def keep(self, name: str) -> None:
        """Store a tensor that the graph has no use for, so that none is lost."""
        self.stored[name] = self._source[name]

    def channels(self, name: str) -> tuple[int, int]:
        """Input and output channels of a modulated convolution."""
        _, outputs, inputs, *_ = self._source[name].shape
        return inputs, outputs

    def scaled(self, name: str, factor: float, shape: list[int] | None = None) -> str:
        """A tensor of the network times a number; runtimes do this once, when they load."""
        product = self.add("Mul", self.weight(name), self.constant(factor))
        return self.add("Reshape", product, self.constant(shape)) if shape else product

    def linear(self, name: str, x: str, *, lr: float = 1.0, gain: float = 1.0) -> str:
        """A linear layer at the equalised learning rate, times a gain."""
        fan_in = self._source[f"{name}.weight"].shape[1]
        return self.add(
            "Gemm",
            x,
            self.weight(f"{name}.weight"),
            self.weight(f"{name}.bias"),
            alpha=gain * lr / math.sqrt(fan_in),
            beta=gain * lr,
            transB=1,
        )

    def halves(self, x: str) -> tuple[str, str]:
        """The first and the second half of the channels."""
        first = f"/{len(self.nodes)}/Split"
        outputs = [f"{first}/0", f"{first}/1"]
        self.nodes.append(OnnxNode("Split", [x], outputs, {"axis": 1}))
        return outputs[0], outputs[1]

    def leaky(self, x: str) -> str:
        return self.add("LeakyRelu", x, alpha=_SLOPE)

    def blur(self, x: str, kernel: str, channels: int, pads: int, factor: float = 1.0) -> str:
        """Convolve every channel with a stored 4 × 4 kernel."""
        weight = self.scaled(kernel, factor, [1, 1, 4, 4])
        weight = self.add("Expand", weight, self.constant([channels, 1, 4, 4]))
        return self.add("Conv", x, weight, group=channels, pads=[pads] * 4)


def _encode(graph: _Graph, net: Architecture) -> tuple[str, dict[int, str]]:
    """The encoder: a style vector, and one feature map for each size."""
    depth = int(math.log2(net.in_size)) - 2
    widths = net.channels[depth::-1]
    x = graph.add("Mul", INPUT, graph.constant(_GAIN / math.sqrt(3)))
    bias = graph.scaled("ecd0.0.1.bias", _GAIN)
    x = graph.leaky(graph.add("Conv", x, graph.weight("ecd0.0.0.weight"), bias))
    features = {net.in_size: x}
    for level in range(1, depth + 1):
        name, fan_in = f"ecd{level}.0", widths[level - 1] * 9
        x = graph.blur(x, f"{name}.0.kernel", widths[level - 1], 2, _GAIN / math.sqrt(fan_in))
        bias = graph.scaled(f"{name}.2.bias", _GAIN)
        x = graph.add("Conv", x, graph.weight(f"{name}.1.weight"), bias, strides=[2, 2])
        x = features[net.in_size >> level] = graph.leaky(x)
    flat = graph.add("Flatten", x)
    return graph.leaky(graph.linear("final_linear.0", flat, gain=_GAIN)), features


def _map(graph: _Graph, x: str, net: Architecture) -> str:
    """The mapping network: pixel norm, then linear layers."""
    square = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[1])
    norm = graph.add("Sqrt", graph.add("Add", square, graph.constant(_EPSILON)))
    x = graph.add("Div", x, norm)
    for layer in range(1, net.n_mlp + 1):
        x = graph.leaky(graph.linear(f"generator.style.{layer}", x, lr=_MAPPING_LR, gain=_GAIN))
    return x


def _synthesise(graph: _Graph, style: str, features: Mapping[int, str], net: Architecture) -> None:
    """From the learned constant up to the picture."""
    x = graph.weight("generator.input.input")
    x = _styled_conv(graph, "generator.conv1", x, style, feature=features.get(4), size=4)
    rgb = _to_rgb(graph, "generator.to_rgb1", x, style, net.channels[0])
    for i, width in enumerate(net.channels[1:]):
        size = 8 << i
        for name in (f"generator.convs.{2 * i}", f"generator.convs.{2 * i + 1}"):
            x = _styled_conv(graph, name, x, style, feature=features.get(size), size=size)
        name = f"generator.to_rgbs.{i}"
        kernel = graph.scaled(f"{name}.upsample.kernel", 1.0, [1, 1, 4, 4])
        kernel = graph.add("Expand", kernel, graph.constant([3, 1, 4, 4]))
        rgb = graph.add("ConvTranspose", rgb, kernel, group=3, strides=[2, 2], pads=[1] * 4)
        last = OUTPUT if i == len(net.channels) - 2 else None
        rgb = graph.add("Add", rgb, _to_rgb(graph, name, x, style, width), out=last)


def _modulate(graph: _Graph, name: str, x: str, style: str, fan_in: int) -> tuple[str, str]:
    """The input scaled by the style, and that style; the learning rate is part of it."""
    scale = graph.linear(f"{name}.modulation", style, gain=1 / math.sqrt(fan_in))
    shaped = graph.add("Reshape", scale, graph.constant([1, -1, 1, 1]))
    return graph.add("Mul", x, shaped), scale


def _styled_conv(
    graph: _Graph, name: str, x: str, style: str, *, feature: str | None, size: int
) -> str:
    """Modulated convolution, demodulated; the encoder's feature joins; bias and activation."""
    key = f"{name}.conv.weight"
    weight, up = graph.weight(key), _is_upsampling(key)
    inputs, width = graph.channels(key)
    x, scale = _modulate(graph, f"{name}.conv", x, style, inputs * 9)
    if up:
        x = graph.add("ConvTranspose", x, weight, strides=[2, 2])
        x = graph.blur(x, f"{name}.conv.blur.kernel", width, 1)
    else:
        x = graph.add("Conv", x, weight, pads=[1] * 4)
    x = graph.add("Mul", x, _demodulation(graph, key, scale))
    bias, side_bias = graph.halves(graph.scaled(f"{name}.activate.bias", _GAIN, [1, -1, 1, 1]))
    if feature is None:  # above the encoder of a super-resolution variant: noise, of strength zero
        graph.keep(f"{name}.noise.weight")
        side = graph.add("Expand", side_bias, graph.constant([1, width, size, size]))
    else:
        strength = graph.scaled(f"{name}.noise.weight", _GAIN)
        side = graph.add("Add", graph.add("Mul", feature, strength), side_bias)
    x = graph.leaky(graph.add("Add", x, bias))
    return graph.add("Concat", x, graph.leaky(side), axis=1)


def _demodulation(graph: _Graph, key: str, scale: str) -> str:
    """√2 over the norm of each output channel's weights times the style."""
    weight, up = graph.weight(key), _is_upsampling(key)
    # A mean over the 3 × 3 taps by pooling, because OpenVINO sums constants twenty times slower.
    mean = graph.add("AveragePool", graph.add("Mul", weight, weight), kernel_shape=[3, 3])
    mean = graph.add("Reshape", mean, graph.constant(list(graph.stored[key].shape[:2])))
    square = graph.add("Mul", scale, scale)
    squares = graph.add("Gemm", square, mean, alpha=9.0, transB=int(not up))
    norm = graph.add("Sqrt", graph.add("Add", squares, graph.constant(_EPSILON)))
    factor = graph.add("Div", graph.constant(_GAIN), norm)
    return graph.add("Reshape", factor, graph.constant([1, -1, 1, 1]))


def _to_rgb(graph: _Graph, name: str, x: str, style: str, width: int) -> str:
    """Modulated 1 × 1 convolution to three channels, not demodulated, with bias."""
    x, _ = _modulate(graph, f"{name}.conv", x, style, 2 * width)
    bias = graph.add("Reshape", graph.weight(f"{name}.bias"), graph.constant([3]))
    return graph.add("Conv", x, graph.weight(f"{name}.conv.weight"), bias)
