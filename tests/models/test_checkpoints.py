"""What training tools and optimisers put around the tensors of a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from gpen.engines import open_engine
from gpen.errors import EngineError, MismatchError, UnsafeFileError, WeightsError
from gpen.models import Tensor, convert, find_model, list_models, load_weights
from gpen.models.safetensors import write_safetensors
from support.small_networks import (
    TINY,
    TINY_SR,
    assert_same_tensors,
    random_tensors,
    save_safetensors,
    to_torch,
)

F32 = TensorProto.FLOAT


def prefixed(prefix: str) -> Callable[[dict], dict]:
    return lambda state: {f"{prefix}{name}": value for name, value in state.items()}


def worse(state: dict) -> dict:
    return {name: value * 0 for name, value in state.items()}


def as_file(path: Path, tensors: dict[str, Tensor]) -> Path:
    if path.suffix == ".pth":
        torch.save(to_torch(tensors), path)
    else:
        write_safetensors(tensors, path)
    return path


def plus(state: dict[str, Tensor], **more: Tensor) -> dict[str, Tensor]:
    return state | more


COUNT = Tensor("i64", np.array(3, np.int64))
ZEROS = Tensor("f32", np.zeros((4, 4), np.float32))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "dress",
    [
        *(
            pytest.param(prefixed(prefix), id=prefix)
            for prefix in (
                "_orig_mod.",
                "module._orig_mod.",
                "netG.",
                "g_ema.",
                "params_ema.",
                "params-ema.",
                "state_dict.netG.module.",
            )
        ),
        pytest.param(
            lambda state: {
                name.replace("generator.", "generator._orig_mod."): value
                for name, value in state.items()
            },
            id="a_compiled_part",
        ),
        pytest.param(
            lambda state: {
                **{f"params.{name}": ZEROS for name in state},
                **prefixed("params_ema.")(state),
                "d.convs.0.0.weight": ZEROS,
            },
            id="several_networks",
        ),
        pytest.param(
            lambda state: {**prefixed("module.")(state), "n_averaged": COUNT}, id="averaged_model"
        ),
        pytest.param(
            lambda state: {
                **state,
                "generator.norm.num_batches_tracked": COUNT,
                "generator.noises.noise_0": ZEROS,
            },
            id="bookkeeping",
        ),
    ],
)
def test_names_are_freed_of_what_tools_put_before_them(
    dress: Callable[[dict], dict], suffix: str, tmp_path: Path
) -> None:
    tensors = random_tensors(TINY)
    weights = load_weights(as_file(tmp_path / f"weights{suffix}", dress(tensors)))
    assert weights.net == TINY
    assert_same_tensors(weights.tensors, tensors)


@pytest.mark.parametrize("wrapper", ["params-ema", "netG", "netG_ema", "ema"])
def test_wrappers_of_other_trainers_are_opened(wrapper: str, tmp_path: Path) -> None:
    tensors = random_tensors(TINY)
    state = to_torch(tensors)
    path = tmp_path / "weights.pth"
    torch.save({wrapper: state, "epoch": 3}, path)
    assert_same_tensors(load_weights(path).tensors, tensors)


def test_a_tensor_that_is_no_bookkeeping_is_still_left_over(tmp_path: Path) -> None:
    path = as_file(tmp_path / "a.safetensors", random_tensors(TINY) | {"generator.more": ZEROS})
    with pytest.raises(MismatchError, match=r"generator\.more is"):
        load_weights(path)


# Graphs that tools have rewritten -----------------------------------------------------------------


def crops(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 3, size, size)).astype(np.float32)


@pytest.mark.parametrize("net", [TINY, TINY_SR], ids=["one_size", "super_resolution"])
def test_an_optimised_export_of_ours_runs_as_a_plain_graph(net, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    source = save_safetensors(net, tmp_path / "mine.safetensors")
    exported = convert(source, tmp_path / "mine.onnx")
    optimised = tmp_path / "optimised.onnx"
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(optimised)
    ort.InferenceSession(str(exported), options, providers=["CPUExecutionProvider"])
    model = find_model(optimised)
    assert (model.kind, model.size, model.in_size) == ("onnx-restorer", net.size, net.in_size)
    assert model.template == "gpen"
    given = crops(2, net.in_size)
    wanted = open_engine(find_model(source), precision="f32").run(given)
    for engine in ("openvino", "onnxruntime"):
        output = open_engine(model, engine=engine, precision="f32").run(given)
        np.testing.assert_allclose(output, wanted, atol=1e-4 * np.abs(wanted).max())


def write_halver(
    path: Path, taken: list, given: list | None, *, fixed_inside: bool = False
) -> Path:
    """input → input / 2; inside, it may be made for one image after all."""
    nodes = [helper.make_node("Mul", ["picture", "factor"], ["half"])]
    stored = [numpy_helper.from_array(np.array([0.5], np.float32), "factor")]
    if fixed_inside:
        stored.append(helper.make_tensor("shape", TensorProto.INT64, [4], [1, 3, 8, 8]))
        nodes.append(helper.make_node("Reshape", ["half", "shape"], ["answer"]))
    else:
        nodes.append(helper.make_node("Identity", ["half"], ["answer"]))
    inputs = [helper.make_tensor_value_info("picture", F32, taken)]
    outputs = [helper.make_tensor_value_info("answer", F32, given)]
    graph = helper.make_graph(nodes, "halver", inputs, outputs, stored)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_batch_that_is_only_promised_is_run_one_by_one(engine: str, tmp_path: Path) -> None:
    path = write_halver(tmp_path / "one.onnx", ["N", 3, 8, 8], ["N", 3, 8, 8], fixed_inside=True)
    restorer = open_engine(find_model(path), engine=engine, precision="f32")
    for _ in range(2):
        np.testing.assert_allclose(restorer.run(crops(3, 8)), crops(3, 8) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "taken", "given", "size"),
    [
        ("any.onnx", [1, 3, "H", "W"], [1, 3, "H", "W"], 512),
        ("any_128.onnx", ["N", 3, "H", "W"], ["N", 3, "H", "W"], 128),
        ("silent.onnx", [1, 3, 64, 64], None, 64),
    ],
)
def test_graphs_that_leave_sizes_open_are_run_at_one(
    name: str, taken: list, given: list | None, size: int, tmp_path: Path
) -> None:
    model = find_model(write_halver(tmp_path / name, taken, given))
    assert (model.in_size, model.size) == (size, size)
    output = open_engine(model, precision="f32").run(crops(2, size))
    np.testing.assert_allclose(output, crops(2, size) / 2, atol=1e-6)


def test_an_output_without_any_type_is_read(tmp_path: Path) -> None:
    path = write_halver(tmp_path / "bare.onnx", [1, 3, 64, 64], [1, 3, 64, 64])
    model = onnx.load(path)
    model.graph.output[0].ClearField("type")
    onnx.save(model, path)
    assert find_model(path).size == 64


def test_a_graph_of_another_size_than_it_lets_believe_says_so(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["picture"], ["answer"], axes=[2, 3], keepdims=0)]
    inputs = [helper.make_tensor_value_info("picture", F32, [1, 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("answer", F32, None)]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs)
    path = tmp_path / "classifier.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    restorer = open_engine(find_model(path), precision="f32")
    with pytest.raises(EngineError, match=r"with \(1, 3\); expected \(1, 3, 8, 8\)"):
        restorer.run(crops(1, 8))


def with_external_data(folder: Path) -> Path:
    """A graph whose only tensor lies in `net.onnx.data`."""
    path = write_halver(folder / "net.onnx", [1, 3, 8, 8], [1, 3, 8, 8])
    onnx.save_model(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location="net.onnx.data",
        size_threshold=0,
        convert_attribute=True,
    )
    return path


def test_weights_beside_the_graph_are_used(tmp_path: Path) -> None:
    restorer = open_engine(find_model(with_external_data(tmp_path)), precision="f32")
    np.testing.assert_allclose(restorer.run(crops(1, 8)), crops(1, 8) / 2, atol=1e-6)


def test_missing_and_cut_weights_beside_the_graph_are_named(tmp_path: Path) -> None:
    path = with_external_data(tmp_path)
    data = tmp_path / "net.onnx.data"
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match=r"net\.onnx\.data, where net\.onnx .* is cut off"):
        load_weights(path)
    data.unlink()
    (row,) = [info for info in list_models(tmp_path) if info.name == "net"]
    assert not row.usable
    assert row.reason == (
        "net.onnx keeps its weights in net.onnx.data, which is not beside it: "
        "put that file there too"
    )


# Names -------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


def malicious(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), path)


@pytest.mark.parametrize("spoil", [cut, malicious])
def test_a_bad_file_does_not_hide_a_good_one_of_its_name(
    spoil: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "mine.safetensors", tmp_path / "mine.pth"
    as_file(second, random_tensors(TINY))
    as_file(first, random_tensors(TINY))
    spoil(first)
    assert find_model("mine", tmp_path).path == second
    assert f"{second} is used instead" in caplog.text
    with pytest.raises(WeightsError):
        find_model(first)  # a path means this very file
    spoil(second)
    with pytest.raises((WeightsError, UnsafeFileError), match="mine"):
        find_model("mine", tmp_path)


def test_a_file_for_other_work_does_not_hide_a_restorer(tmp_path: Path) -> None:
    as_file(tmp_path / "mine.safetensors", {"conv_first.weight": ZEROS})
    good = as_file(tmp_path / "mine.pth", random_tensors(TINY))
    assert find_model("mine", tmp_path).path == good
