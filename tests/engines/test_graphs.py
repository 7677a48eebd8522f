"""ONNX graphs of any kind run the same in every library."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gpen.engines import open_graph, run_in_batches
from gpen.engines.openvino import capabilities
from gpen.errors import EngineError, MissingExtraError, SettingsError, WeightsError

ENGINES = ["openvino", "onnxruntime"]


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """Two inputs of any height → their sum and its mean."""
    shape = [1, 3, "height", 4]
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("ReduceMean", ["sum"], ["mean"], keepdims=0, axes=[1, 2, 3]),
        ],
        "sums",
        [make("a", TensorProto.FLOAT, shape), make("b", TensorProto.FLOAT, shape)],
        [make("sum", TensorProto.FLOAT, shape), make("mean", TensorProto.FLOAT, [1])],
    )
    path = tmp_path / "sums.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
def test_runs_graphs_of_varying_shape(engine: str, sums: Path) -> None:
    graph = open_graph(sums, engine=engine)
    assert graph.inputs == (("a", (1, 3, None, 4)), ("b", (1, 3, None, 4)))
    assert graph.outputs == (("sum", (1, 3, None, 4)), ("mean", (1,)))
    assert graph.precision == "f32"
    for height in (2, 7, 3):
        a = np.random.default_rng(height).random((1, 3, height, 4), dtype=np.float32)
        total, mean = graph.run(a, a * 2)
        np.testing.assert_allclose(total, a * 3, rtol=1e-6)
        np.testing.assert_allclose(mean, [(a * 3).mean()], rtol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_answers_belong_to_the_caller(engine: str, sums: Path) -> None:
    graph = open_graph(sums, engine=engine)
    ones = np.ones((1, 3, 2, 4), np.float32)
    first = graph.run(ones, ones)[0]
    graph.run(ones * 5, ones * 5)
    assert (first == 2).all()
    first += 1  # writable


@pytest.mark.parametrize("engine", ENGINES)
def test_takes_strided_arrays(engine: str, sums: Path) -> None:
    turned = np.random.default_rng(0).random((2, 4, 3), dtype=np.float32).transpose(2, 0, 1)[None]
    total, _ = open_graph(sums, engine=engine).run(turned, turned)
    np.testing.assert_allclose(total, turned * 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_are_neither_changed_nor_kept(engine: str, sums: Path) -> None:
    graph = open_graph(sums, engine=engine)
    ones = np.ones((1, 3, 2, 4), np.float32)
    ones.flags.writeable = False
    twos = 2 * ones
    first, _ = graph.run(ones, twos)
    twos[:] = 7
    assert (graph.run(ones, ones)[0] == 2).all()
    assert (first == 3).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_serves_many_threads(engine: str, sums: Path) -> None:
    graph = open_graph(sums, engine=engine)

    def work(number: int) -> bool:
        a = np.full((1, 3, 1 + number % 5, 4), number, np.float32)
        return bool((graph.run(a, a)[0] == 2 * number).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))


def test_both_libraries_agree_on_a_real_network(shared: Path) -> None:
    path = shared / "models" / "yunet_n_640_640.onnx"
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    first, second = (open_graph(path, engine=engine) for engine in ENGINES)
    assert first.outputs == second.outputs
    for a, b in zip(first.run(image), second.run(image), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_inputs_are_told(engine: str, sums: Path) -> None:
    graph = open_graph(sums, engine=engine)
    ones = np.ones((1, 3, 2, 4), np.float32)
    with pytest.raises(EngineError, match="1 inputs; expected 2: a, b"):
        graph.run(ones)
    with pytest.raises(EngineError, match=r"expected \[\(1, 3, None, 4\)") as caught:
        graph.run(ones[:, :2], ones)
    assert caught.value.engine == engine
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_files_that_are_no_graph_are_told(engine: str, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(WeightsError, match="no ONNX graph"):
        open_graph(tmp_path / "text.onnx", engine=engine)
    with pytest.raises(WeightsError, match="does not exist"):
        open_graph(tmp_path / "none.onnx", engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_graphs_that_cannot_run_are_told(engine: str, tmp_path: Path) -> None:
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Frobnicate", ["a"], ["b"])],
        "odd",
        [make("a", TensorProto.FLOAT, [1])],
        [make("b", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph, ir_version=8), tmp_path / "odd.onnx")
    with pytest.raises(EngineError, match=r"cannot run odd\.onnx") as caught:
        open_graph(tmp_path / "odd.onnx", engine=engine)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_devices_that_are_not_there_are_told(engine: str, sums: Path) -> None:
    with pytest.raises(EngineError, match=r"no device .abacus.; expected one of .*(?i:cpu)"):
        open_graph(sums, engine=engine, device="abacus")
    assert "CPU" in open_graph(sums, engine=engine, device="cpu").device


def test_openvino_computes_in_the_precision_it_says(shared: Path) -> None:
    """Left alone it takes bf16 on CPUs that have it, which would show here."""
    path = shared / "models" / "yunet_n_640_640.onnx"
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    exact = open_graph(path, engine="onnxruntime").run(image)[-1]
    f32 = np.abs(open_graph(path, precision="f32").run(image)[-1] - exact).max()
    assert f32 < 1e-3
    if "BF16" not in capabilities():
        pytest.skip("this CPU has no bf16")
    assert np.abs(open_graph(path, precision="bf16").run(image)[-1] - exact).max() > 2 * f32


def test_precision_that_is_not_there_is_told(sums: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpen.engines.openvino.capabilities", lambda device: frozenset({"FP32"}))
    with pytest.raises(EngineError, match=r"no bf16 arithmetic .*choose --precision f32"):
        open_graph(sums, precision="bf16")
    with pytest.raises(EngineError, match="onnxruntime has no bf16 switch"):
        open_graph(sums, engine="onnxruntime", precision="bf16")


def test_torch_and_unknown_engines_are_refused(sums: Path) -> None:
    with pytest.raises(EngineError, match=r"torch cannot run the ONNX file sums\.onnx"):
        open_graph(sums, engine="torch")
    with pytest.raises(SettingsError, match="expected auto or one of openvino"):
        open_graph(sums, engine="abacus")


def test_missing_onnxruntime_says_what_to_install(
    sums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gpen\[onnxruntime\]'"):
        open_graph(sums, engine="onnxruntime")


def test_openvino_reports_nothing_to_anyone(identity_model: Path) -> None:
    """Its package sends an event on import unless its telemetry is hidden; see `load_openvino`."""
    code = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("the network was touched")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from gpen.engines import open_graph, run_in_batches
open_graph({str(identity_model)!r})
import threading
assert "openvino" in sys.modules
assert not any("telemetry" in name and "stub" not in name and "ovc" not in name
               for name in sys.modules), "telemetry was loaded"
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_any_number_of_crops_runs_in_batches(tmp_path: Path, batch: str | int) -> None:
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["crops"], ["means"], keepdims=0, axes=[1, 2, 3])],
        "means",
        [make("crops", TensorProto.FLOAT, [batch, 3, 4, 4])],
        [make("means", TensorProto.FLOAT, [batch])],
    )
    path = tmp_path / "means.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    opened = open_graph(path)
    for count in (1, 3, 4, 7):
        crops = np.random.default_rng(count).random((count, 3, 4, 4), dtype=np.float32)
        means = run_in_batches(opened, crops, most=4)
        np.testing.assert_allclose(means, crops.mean(axis=(1, 2, 3)), rtol=1e-5)
