"""Our ONNX reader and writer agree with the onnx package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gpen.errors import WeightsError
from gpen.models.onnx_file import OnnxNode, read_onnx, write_onnx
from gpen.models.tensors import Tensor


def write_example(path: Path) -> dict[str, Tensor]:
    tensors = {
        "factor": Tensor("f32", np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1)),
        "half": Tensor("f16", np.array([0.5, -2], np.float16)),
        "shape": Tensor("i64", np.array([1, 3, 300, -1], np.int64)),
        "number": Tensor("f32", np.array(1.5, np.float32)),
        "empty": Tensor("f32", np.zeros((0, 2), np.float32)),
        "turned": Tensor("f32", np.arange(6, dtype=np.float32).reshape(2, 3).T),
    }
    write_onnx(
        path,
        inputs=[("input", (1, 3, 4, 300))],
        outputs=[("output", (1, 3, 300, 4))],
        nodes=[
            OnnxNode("Mul", ["input", "factor"], ["a"]),
            OnnxNode("LeakyRelu", ["a"], ["b"], {"alpha": 0.2}),
            OnnxNode("Transpose", ["b"], ["output"], {"perm": [0, 1, 3, 2]}),
        ],
        tensors=tensors,
        notes={"gpen.kind": "test", "größe": "4 × 300"},
        opset=17,
    )
    return tensors


def test_written_files_pass_the_onnx_checker(tmp_path: Path) -> None:
    path = tmp_path / "example.onnx"
    tensors = write_example(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17
    assert {p.key: p.value for p in model.metadata_props} == {
        "gpen.kind": "test",
        "größe": "4 × 300",
    }
    for stored in model.graph.initializer:
        np.testing.assert_array_equal(numpy_helper.to_array(stored), tensors[stored.name].bits)


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "example.onnx"
    tensors = write_example(path)
    found = read_onnx(path)
    assert found.inputs == (("input", "f32", (1, 3, 4, 300)),)
    assert found.outputs == (("output", "f32", (1, 3, 300, 4)),)
    assert found.notes == {"gpen.kind": "test", "größe": "4 × 300"}
    assert found.initializers == set(tensors)
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found.tensors[name].bits, tensor.bits)


def test_reads_files_of_the_onnx_package(tmp_path: Path) -> None:
    """Varying lengths, packed floats, and tensors listed among the inputs as in old files."""
    path = tmp_path / "foreign.onnx"
    values = [1.0, 2.0, 3.0]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "k"], ["y"])],
        "foreign",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N", 3, None, 8]),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, [3]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, None, 8])],
        [
            helper.make_tensor("k", TensorProto.FLOAT, [3], values),
            helper.make_tensor("n", TensorProto.INT64, [2], [4, 5]),
        ],
    )
    onnx.save(helper.make_model(graph), path)
    found = read_onnx(path)
    assert found.inputs == (("x", "f16", (None, 3, None, 8)),)
    assert found.outputs == (("y", "f32", (None, 3, None, 8)),)
    assert found.initializers == {"k", "n"}
    np.testing.assert_array_equal(found.tensors["k"].bits, np.array(values, np.float32))


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "example.onnx"
    write_example(path)
    whole = path.read_bytes()
    graph_end = len(whole) - 70  # what follows the graph is metadata, whose loss is a valid file
    for length in [*range(1, 60), *range(60, graph_end, 7)]:
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="cut off or no ONNX graph"):
            read_onnx(path)


def test_says_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_onnx(tmp_path / "none.onnx")
