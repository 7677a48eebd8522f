"""A small network with the ports of ArcFace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_identity(path: Path, *, scales: bool = False, batch: int | str = "N") -> Path:
    """A network whose vector is the colour of 7 × 7 regions, with the ports of ArcFace."""
    tensors, nodes, x = [], [], "input.1"
    if scales:
        tensors = [
            numpy_helper.from_array(np.float32([127.5]), "mean"),
            numpy_helper.from_array(np.float32([1 / 127.5]), "scale"),
        ]
        nodes = [
            helper.make_node("Sub", [x, "mean"], ["minus"]),
            helper.make_node("Mul", ["minus", "scale"], ["scaled"]),
        ]
        x = "scaled"
    nodes += [
        helper.make_node("AveragePool", [x], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["683"]),
    ]
    graph = helper.make_graph(
        nodes,
        "identity",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [batch, 3, 112, 112])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, [batch, 147])],
        tensors,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path
