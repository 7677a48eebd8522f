"""Networks of one operation, with the input and output of a GPEN file."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

SIZE = 64


def write_pointwise_model(path: Path, operation: str, size: int = SIZE) -> Path:
    shape = [1, 3, size, size]
    graph = helper.make_graph(
        [helper.make_node(operation, ["input"], ["output"])],
        "pointwise",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path
