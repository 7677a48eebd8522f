"""Restorers answer alike whatever runs them and whoever wrote the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gpen import engines
from gpen.engines import open_engine
from gpen.engines.openvino import has_fast_bf16
from gpen.errors import EngineError
from gpen.models import Tensor, find_model
from gpen.models.safetensors import write_safetensors
from support.small_networks import TINY, TINY_SR, save_safetensors

GRAPH_ENGINES = ["openvino", "onnxruntime"]


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
@pytest.mark.parametrize("name", ["generator_32", "generator_64", "generator_sr_16_to_64"])
def test_published_outputs_are_met(shared: Path, tmp_path: Path, name: str, engine: str) -> None:
    vectors = np.load(shared / "vectors" / f"{name}.npz")
    path = tmp_path / "published.safetensors"
    parameters = [key for key in vectors if key.startswith("param:")]
    write_safetensors(
        {k.removeprefix("param:"): Tensor("f32", vectors[k]) for k in parameters}, path
    )
    output = open_engine(find_model(path), engine=engine, precision="f32").run(vectors["input"])
    scale = np.abs(vectors["output"]).max()
    assert np.abs(output - vectors["output"]).max() <= 1e-4 * scale


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
def test_sizes_and_names_are_told(engine: str, tmp_path: Path) -> None:
    restorer = open_engine(
        find_model(save_safetensors(TINY_SR, tmp_path / "a.safetensors")), engine=engine
    )
    assert (restorer.name, restorer.in_size, restorer.size) == (engine, 16, 64)
    assert restorer.run(np.zeros((3, 3, 16, 16), np.float32)).shape == (3, 3, 64, 64)
    assert restorer.run(np.zeros((0, 3, 16, 16), np.float32)).shape == (0, 3, 64, 64)


def test_wrong_shapes_are_told(tmp_path: Path) -> None:
    restorer = open_engine(find_model(save_safetensors(TINY, tmp_path / "a.safetensors")))
    with pytest.raises(EngineError, match=r"expected \(N, 3, 32, 32\): resize them first"):
        restorer.run(np.zeros((1, 3, 64, 64), np.float32))


def test_a_batch_is_its_crops_one_by_one(tmp_path: Path) -> None:
    restorer = open_engine(find_model(save_safetensors(TINY, tmp_path / "a.safetensors")))
    crops = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)
    alone = np.concatenate([restorer.run(crop[None]) for crop in crops])
    np.testing.assert_array_equal(restorer.run(crops), alone)


def write_scaler(
    path: Path, *, kind: int = TensorProto.FLOAT, batch: int | str = 1, weight: bool = False
) -> Path:
    """input → input / 2, or input × weight for files with a second input."""
    make, shape = helper.make_tensor_value_info, [batch, 3, 8, 8]
    inputs = [make("picture", kind, shape)]
    nodes = [helper.make_node("Mul", ["picture", "factor"], ["answer"])]
    stored = [helper.make_tensor("factor", kind, [1], [0.5])]
    if weight:
        inputs.append(make("weight", TensorProto.DOUBLE, [1]))
        nodes.insert(0, helper.make_node("Cast", ["weight"], ["factor"], to=kind))
        stored = []
    graph = helper.make_graph(nodes, "scaler", inputs, [make("answer", kind, shape)], stored)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
@pytest.mark.parametrize(
    ("options", "factor"),
    [
        pytest.param({}, 0.5, id="other_names"),
        pytest.param({"kind": TensorProto.FLOAT16}, 0.5, id="half"),
        pytest.param({"batch": "N"}, 0.5, id="any_batch"),
        pytest.param({"weight": True}, 1.0, id="weight"),
        pytest.param({"weight": True, "kind": TensorProto.FLOAT16}, 1.0, id="weight_half"),
    ],
)
def test_files_of_other_tools_run(
    engine: str, options: dict, factor: float, tmp_path: Path
) -> None:
    model = find_model(write_scaler(tmp_path / "foreign.onnx", **options))
    restorer = open_engine(model, engine=engine, precision="f32")
    crops = np.random.default_rng(0).uniform(-1, 1, (3, 3, 8, 8)).astype(np.float32)
    output = restorer.run(crops)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, crops * factor, atol=1e-3)


def test_files_that_want_several_pictures_at_once_are_refused(tmp_path: Path) -> None:
    model = find_model(write_scaler(tmp_path / "four.onnx", batch=4))
    with pytest.raises(EngineError, match=r"expected f32 or f16 \(1, 3, S, S\)"):
        open_engine(model)


@pytest.mark.parametrize(
    ("engine", "fast_bf16", "own", "expected"),
    [
        pytest.param("openvino", True, True, "bf16", id="bf16_where_it_is_fast"),
        pytest.param("openvino", False, True, "f32", id="f32_where_it_is_not"),
        pytest.param("openvino", True, False, "f32", id="f32_for_networks_of_others"),
        pytest.param("onnxruntime", True, True, "f32", id="f32_in_onnxruntime"),
    ],
)
def test_auto_precision_is_the_fastest_that_keeps_the_picture(
    engine: str,
    fast_bf16: bool,
    own: bool,
    expected: str,
    tmp_path: Path,
    identity_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = find_model(
        save_safetensors(TINY, tmp_path / "a.safetensors") if own else identity_model
    )
    monkeypatch.setattr("gpen.engines.openvino.has_fast_bf16", lambda device: fast_bf16)
    assert engines._fastest_faithful(model, engine, "auto") == expected


def test_opened_engines_say_which_precision_they_took(tmp_path: Path) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    assert open_engine(model).precision == ("bf16" if has_fast_bf16() else "f32")
    assert open_engine(model, precision="f32").precision == "f32"
