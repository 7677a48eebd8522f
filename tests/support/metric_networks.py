"""Tiny networks that metrics can use."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def write_mean_color_model(path: Path, side: int | None = 32, *, flat: bool = True) -> Path:
    """A graph from an image to its mean colour, (1, 3), or a map of it, (1, 3, 1, 1)."""
    nodes = [helper.make_node("GlobalAveragePool", ["picture"], ["pooled" if flat else "vector"])]
    if flat:
        nodes.append(helper.make_node("Flatten", ["pooled"], ["vector"]))
    result = [1, 3] if flat else [1, 3, 1, 1]
    graph = helper.make_graph(
        nodes,
        "mean-color",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, result)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path
