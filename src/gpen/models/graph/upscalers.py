"""Writes an upscaler as an ONNX graph, straight from its tensors.

Blocks of pixels that become channels and meet a convolution are a convolution of the image itself;
see `pixel_blocks`. The factors 0.2 of residuals stay where they are, since runtimes fuse them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..onnx_file import write_onnx
from ..tensors import Tensor
from ..upscaler_tensors import UpscalerNet
from .builder import Graph

_OPSET = 17
_INPUT, _OUTPUT = "input", "output"
_FIRST = "conv_first.weight"
_RESIDUAL = 0.2


def write_upscaler_graph(
    tensors: Mapping[str, Tensor], net: UpscalerNet, path: Path, notes: Mapping[str, str]
) -> None:
    """Write an upscaler as ONNX: `input` (N, 3, height, width) → `output`, both in [0, 1].

    Args:
        tensors: All its tensors, in the new layout.
        net: Its numbers.
        path: File to write; one that is there is replaced.
        notes: Metadata to store.
    """
    stored = dict(tensors)
    if net.block > 1:
        stored[_FIRST] = _of_pixels(tensors[_FIRST], net.block)
    graph = Graph(stored)
    (_rrdb if net.family == "rrdb" else _compact)(graph, net)
    write_onnx(
        path,
        inputs=[(_INPUT, (None, 3, None, None))],
        outputs=[(_OUTPUT, (None, 3, None, None))],
        nodes=graph.nodes,
        tensors=graph.stored,
        notes=notes,
        opset=_OPSET,
    )


def _of_pixels(weight: Tensor, block: int) -> Tensor:
    """A convolution of blocks, (outputs, 3 · block², 3, 3), as one of pixels."""
    values = weight.float32()
    outputs = len(values)
    values = values.reshape(outputs, 3, block, block, 3, 3).transpose(0, 1, 4, 2, 5, 3)
    side = 3 * block
    return Tensor("f32", np.ascontiguousarray(values).reshape(outputs, 3, side, side))


def _rrdb(graph: Graph, net: UpscalerNet) -> None:
    x = _conv(graph, "conv_first", _INPUT, block=net.block)
    y = x
    for i in range(net.depth):
        z = y
        for rdb in range(1, 4):
            z = _dense_block(graph, f"body.{i}.rdb{rdb}", z)
        y = _add_a_fifth(graph, y, z)
    x = graph.add("Add", x, _conv(graph, "conv_body", y))
    for step in range(1, net.steps + 1):
        x = graph.leaky(_conv(graph, f"conv_up{step}", _enlarged(graph, x, 2)))
    x = graph.leaky(_conv(graph, "conv_hr", x))
    _conv(graph, "conv_last", x, out=_OUTPUT)


def _dense_block(graph: Graph, name: str, x: str) -> str:
    seen = x
    for i in range(1, 5):
        added = graph.leaky(_conv(graph, f"{name}.conv{i}", seen))
        seen = graph.add("Concat", seen, added, axis=1)
    return _add_a_fifth(graph, x, _conv(graph, f"{name}.conv5", seen))


def _add_a_fifth(graph: Graph, x: str, change: str) -> str:
    return graph.add("Add", graph.add("Mul", change, graph.constant(_RESIDUAL)), x)


def _compact(graph: Graph, net: UpscalerNet) -> None:
    x = _INPUT
    for i in range(net.depth):
        x = _conv(graph, f"body.{2 * i}", x)
        slope = graph.shaped(f"body.{2 * i + 1}.weight", [net.width, 1, 1])
        x = graph.add("PRelu", x, slope)
    x = _conv(graph, f"body.{2 * net.depth}", x)
    change = graph.add("DepthToSpace", x, blocksize=net.factor, mode="CRD")
    graph.add("Add", change, _enlarged(graph, _INPUT, net.factor), out=_OUTPUT)


def _conv(graph: Graph, name: str, x: str, *, block: int = 1, out: str | None = None) -> str:
    weight, bias = graph.weight(f"{name}.weight"), graph.weight(f"{name}.bias")
    return graph.add("Conv", x, weight, bias, out=out, strides=[block] * 2, pads=[block] * 4)


def _enlarged(graph: Graph, x: str, factor: int) -> str:
    """By nearest neighbour."""
    scales = graph.constant([1.0, 1.0, float(factor), float(factor)])
    return graph.add(
        "Resize",
        x,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
