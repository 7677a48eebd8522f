"""Counts what an ONNX graph computes, from the shapes of its operations; nothing is run."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

#: Tensors of more values than this are weights, whose shape is enough; others may be shapes.
_LARGEST_SHAPE = 64


def count_operations(path: Path) -> tuple[int, Counter[str]]:
    """Multiply-accumulates of a graph of fixed shapes, and how often it has each operation.

    Convolutions, transposed convolutions and matrix products are counted, zeros of the padding
    included; everything else is left out.

    Args:
        path: ONNX file; its weights are not looked at.
    """
    import onnx

    model = onnx.load(path)
    shapes = _shapes(model)
    macs = sum(_macs(node, shapes) for node in model.graph.node)
    return macs, Counter(node.op_type for node in model.graph.node)


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor; large ones lose their values, which inference would copy."""
    import onnx

    graph = model.graph
    for tensor in list(graph.initializer):
        if math.prod(tensor.dims) > _LARGEST_SHAPE:
            dims = list(tensor.dims)
            graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, dims)
            )
            graph.initializer.remove(tensor)
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return shapes


def _macs(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Multiply-accumulates of one operation."""
    if node.op_type in ("Conv", "ConvTranspose"):
        weight = shapes[node.input[1]]
        # Each output value of a convolution, each input value of a transposed one, meets all taps
        # of one row of the weight.
        values = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
        return math.prod(values) * math.prod(weight[1:])
    if node.op_type in ("Gemm", "MatMul"):
        first, second = (shapes[name] for name in node.input[:2])
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        columns = second[-2 if transposed else -1]
        inner = second[-1 if transposed else -2]
        rows = np.broadcast_shapes(first[:-2], second[:-2])
        return math.prod(rows) * first[-2] * columns * inner
    return 0
