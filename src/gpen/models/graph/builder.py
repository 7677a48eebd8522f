"""Collects the operations and stored tensors of an ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..onnx_file import OnnxNode
from ..tensors import Tensor

#: Gain and slope of StyleGAN2's activation.
GAIN = math.sqrt(2)
_SLOPE = 0.2


def is_transposed(name: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether this is the weight of a transposed convolution: (in, out, 3, 3) in a graph."""
    return f"{name.removesuffix('weight')}blur.kernel" in tensors and name.endswith(".conv.weight")


class Graph:
    """Nodes and stored tensors of a graph in the making.

    Args:
        tensors: All tensors of the network.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.nodes: list[OnnxNode] = []
        self.stored: dict[str, Tensor] = {}
        self._source = tensors

    def add(self, operation: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Append an operation; returns the name of its output."""
        output = out or f"/{len(self.nodes)}/{operation}"
        self.nodes.append(OnnxNode(operation, inputs, [output], attributes))
        return output

    def constant(self, value: float | list[int] | list[float]) -> str:
        """A number, or a row of numbers; whole ones, such as a shape, are stored as such."""
        whole = isinstance(value, list) and all(isinstance(item, int) for item in value)
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
        if self.is_transposed(name):
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

    def is_transposed(self, name: str) -> bool:
        """Whether a convolution doubles the sides, and is followed by a blur."""
        return is_transposed(name, self._source)

    def channels(self, name: str) -> tuple[int, int]:
        """Input and output channels of a convolution."""
        outputs, inputs = self._source[name].shape[-4:-2]
        return inputs, outputs

    def scaled(self, name: str, factor: float, shape: list[int] | None = None) -> str:
        """A tensor of the network times a number; runtimes do this once, when they load."""
        product = self.add("Mul", self.weight(name), self.constant(factor))
        return self.add("Reshape", product, self.constant(shape)) if shape else product

    def shaped(self, name: str, shape: list[int]) -> str:
        """A tensor of the network with other axes."""
        return self.add("Reshape", self.weight(name), self.constant(shape))

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
        return self._split(x)

    def split(self, x: str, first: int, second: int) -> tuple[str, str]:
        """The first and the following channels, so many of each."""
        return self._split(x, self.constant([first, second]))

    def _split(self, *inputs: str) -> tuple[str, str]:
        name = f"/{len(self.nodes)}/Split"
        outputs = [f"{name}/0", f"{name}/1"]
        self.nodes.append(OnnxNode("Split", inputs, outputs, {"axis": 1}))
        return outputs[0], outputs[1]

    def leaky(self, x: str) -> str:
        """Leaky ReLU, its gain left to what is before it."""
        return self.add("LeakyRelu", x, alpha=_SLOPE)

    def blur(self, x: str, kernel: str, channels: int, pads: int, factor: float = 1.0) -> str:
        """Convolve every channel with a stored 4 × 4 kernel."""
        weight = self.scaled(kernel, factor, [1, 1, 4, 4])
        weight = self.add("Expand", weight, self.constant([channels, 1, 4, 4]))
        return self.add("Conv", x, weight, group=channels, pads=[pads] * 4)

    def normalised(self, x: str, groups: int, epsilon: float) -> str:
        """Mean 0 and variance 1 for each entry of the second axis."""
        ones, zeros = self.constant([1.0] * groups), self.constant([0.0] * groups)
        return self.add("InstanceNormalization", x, ones, zeros, epsilon=epsilon)
