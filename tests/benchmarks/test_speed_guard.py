"""The graphs compute no more than they did, and OpenVINO stays ahead of the naive way.

Counts do not depend on the machine. Where a graph is changed on purpose, put its counts here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest

from gpen.models import Tensor, find_model
from gpen.models.architecture import expected_shapes
from gpen.models.graph import write_graph
from gpen.networks.gpen_config import GPENConfig
from support.small_networks import published, random_tensors, save_safetensors

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

#: Published widths: multiply-accumulates of one image, in 10⁹, and operations of the graph.
COUNTS = {
    256: (103.613, 471),
    512: (138.103, 540),
    1024: (173.265, 609),
    2048: (209.790, 678),
}

#: The same of a network with published widths at 64 px, as the graph says it, and in OpenVINO.
PLAIN_AND_FEWER = (35.465, 17.794)


@pytest.fixture
def count_operations(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[int, Counter[str]]]:
    """The counter that the benchmark uses."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from engines_operations import count_operations

    return count_operations


@pytest.mark.parametrize("size", COUNTS)
def test_graphs_compute_no_more_than_they_did(size: int, count_operations, tmp_path: Path) -> None:
    net = GPENConfig.published(size)
    empty = {k: Tensor("f32", np.zeros(s, np.float32)) for k, s in expected_shapes(net).items()}
    write_graph(empty, net, tmp_path / "graph.onnx", {})
    macs, operations = count_operations(tmp_path / "graph.onnx")
    (tmp_path / "graph.onnx").unlink()  # 280 MB
    assert (macs / 1e9, operations.total()) == pytest.approx(COUNTS[size], rel=0.01)


def test_each_level_adds_the_same_operations() -> None:
    assert len({b[1] - a[1] for a, b in pairwise(COUNTS.values())}) == 1


def test_counts_are_those_of_a_graph_made_by_hand(count_operations, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    def tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Conv", ["x", "a"], ["y"], strides=[2, 2], pads=[1] * 4, group=2),
        helper.make_node("ConvTranspose", ["y", "b"], ["z"], strides=[2, 2]),
        helper.make_node("Flatten", ["z"], ["row"]),
        helper.make_node("Gemm", ["row", "c"], ["out"], transB=1),
    ]
    inputs = [tensor("x", 1, 4, 8, 8), tensor("a", 6, 2, 3, 3), tensor("b", 6, 5, 3, 3)]
    inputs.append(tensor("c", 7, 5 * 9 * 9))
    graph = helper.make_graph(nodes, "by hand", inputs, [tensor("out", 1, 7)])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset), tmp_path / "graph.onnx")
    macs, operations = count_operations(tmp_path / "graph.onnx")
    convolution = 6 * 4 * 4 * 2 * 9  # each output value meets 2 channels and 9 taps
    transposed = 6 * 4 * 4 * 5 * 9  # each input value goes to 5 channels and 9 taps
    assert macs == convolution + transposed + 7 * 5 * 9 * 9
    assert operations == Counter(["Conv", "ConvTranspose", "Flatten", "Gemm"])


def test_openvino_multiplies_less_in_f32(tmp_path: Path) -> None:
    """Of a network with published widths at 32 and 64 px, where most convolutions are replaced."""
    from gpen.engines.openvino import load_openvino
    from gpen.engines.winograd import use_winograd

    net = published(64)
    write_graph(random_tensors(net), net, tmp_path / "graph.onnx", {})
    openvino = load_openvino()
    model = openvino.Core().read_model(tmp_path / "graph.onnx")
    plain = sum(map(_macs, model.get_ops()))
    assert use_winograd(model, openvino) == 2
    (tmp_path / "graph.onnx").unlink()
    fewer = sum(map(_macs, model.get_ops()))
    assert (plain / 1e9, fewer / 1e9) == pytest.approx(PLAIN_AND_FEWER, rel=0.01)


def _macs(node: Any) -> int:
    """Multiply-accumulates of an operation of OpenVINO, as in `count_operations`."""
    kind = node.get_type_name()
    if kind == "MatMul":
        return int(np.prod(node.get_output_shape(0))) * node.get_input_shape(0)[-1]
    if "Convolution" not in kind:
        return 0
    values = node.get_input_shape(0) if "Backprop" in kind else node.get_output_shape(0)
    taps = node.get_input_shape(1)[2 if "Group" in kind else 1 :]
    return int(np.prod(values) * np.prod(taps))


@pytest.mark.slow
def test_openvino_is_ahead_of_the_naive_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of runs that take turns, in processor time, so that other programs hardly count."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    torch = pytest.importorskip("torch")
    from engines_prepare import reference_module
    from gpen.engines import open_engine

    path = save_safetensors(published(256), tmp_path / "random.safetensors")
    engine = open_engine(find_model(path), engine="openvino", device="cpu", precision="f32")
    module, batch = reference_module(path), np.zeros((1, 3, 256, 256), np.float32)

    def seconds(work: Callable[[], object]) -> float:
        started = process_time()
        work()
        return process_time() - started

    with torch.inference_mode():
        runs = [
            (seconds(lambda: module(torch.from_numpy(batch))), seconds(lambda: engine.run(batch)))
            for _ in range(3)
        ]
    naive, fast = (min(times) for times in zip(*runs, strict=True))
    assert naive >= 1.5 * fast, runs
