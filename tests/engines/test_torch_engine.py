"""The torch engine is the reference; the other engines equal it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gpen import engines
from gpen.engines import open_engine
from gpen.engines import torch as torch_engine
from gpen.engines.torch import TorchEngine
from gpen.errors import EngineError, MissingExtraError
from gpen.models import Tensor, convert, find_model, load_weights
from gpen.models.safetensors import write_safetensors
from support.small_networks import (
    TINY,
    TINY_SR,
    published,
    random_tensors,
    save_safetensors,
    to_torch,
)

TOLERANCE = 1e-3


def crops(size: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, (count, 3, size, size)).astype(np.float32)


@pytest.mark.parametrize(
    "net",
    [
        pytest.param(TINY, id="32"),
        pytest.param(TINY_SR, id="super_resolution_16_to_64"),
        pytest.param(published(256, widest=64), id="256_narrow"),
        pytest.param(published(512, widest=32), id="512_narrow"),
        pytest.param(published(256, widest=32, in_size=64), id="super_resolution_64_to_256"),
        pytest.param(published(256, widest=256), id="256"),
        pytest.param(published(512), id="512", marks=pytest.mark.slow),
    ],
)
def test_all_engines_agree_in_f32(net, tmp_path: Path) -> None:
    model = find_model(save_safetensors(net, tmp_path / "random.safetensors"))
    batch = crops(net.in_size, 2)
    reference = open_engine(model, engine="torch", device="cpu", precision="f32").run(batch)
    assert reference.shape == (2, 3, net.size, net.size)
    assert reference.std() > 0.1
    for engine in ("openvino", "onnxruntime"):
        output = open_engine(model, engine=engine, device="cpu", precision="f32").run(batch)
        assert np.abs(output - reference).max() <= TOLERANCE, engine


@pytest.mark.parametrize("name", ["generator_32", "generator_64", "generator_sr_16_to_64"])
def test_published_outputs_are_met(shared: Path, tmp_path: Path, name: str) -> None:
    vectors = np.load(shared / "vectors" / f"{name}.npz")
    path = tmp_path / "published.safetensors"
    parameters = [key for key in vectors if key.startswith("param:")]
    write_safetensors(
        {key.removeprefix("param:"): Tensor("f32", vectors[key]) for key in parameters}, path
    )
    output = open_engine(find_model(path), engine="torch", device="cpu").run(vectors["input"])
    scale = np.abs(vectors["output"]).max()
    assert np.abs(output - vectors["output"]).max() <= 1e-4 * scale


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
def test_torch_runs_every_kind_of_file(suffix: str, tmp_path: Path) -> None:
    source = save_safetensors(TINY, tmp_path / "source.safetensors")
    path = convert(source, tmp_path / f"copy{suffix}")
    expected = open_engine(find_model(source), engine="torch", device="cpu").run(crops(32))
    output = open_engine(find_model(path), engine="torch", device="cpu").run(crops(32))
    np.testing.assert_array_equal(output, expected)


def test_torch_refuses_graphs_of_other_tools(identity_model: Path) -> None:
    with pytest.raises(EngineError, match="choose --engine openvino or onnxruntime"):
        open_engine(find_model(identity_model), engine="torch")


def test_devices_that_are_not_there_are_told(tmp_path: Path) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    absent = "cuda" if not torch.cuda.is_available() else "mps"
    for device in (absent, "abacus"):
        with pytest.raises(EngineError, match=f"torch finds no device '{device}'") as caught:
            open_engine(model, engine="torch", device=device)
        assert "\n" not in str(caught.value)


def test_f32_is_never_tf32_and_the_setting_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    engine = open_engine(model, engine="torch", device="cpu", precision="f32")
    seen = []
    conv2d = torch.nn.functional.conv2d

    def observed(*args: object, **kwargs: object) -> torch.Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        return conv2d(*args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "conv2d", observed)
    before = torch.backends.cudnn.allow_tf32
    engine.run(crops(32))
    assert seen
    assert not any(seen)
    assert torch.backends.cudnn.allow_tf32 == before
    assert before  # torch's own choice, which other programs in the process may want


def test_bf16_is_close_and_not_the_same(tmp_path: Path) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    exact = open_engine(model, engine="torch", device="cpu", precision="f32").run(crops(32))
    rough = open_engine(model, engine="torch", device="cpu", precision="bf16").run(crops(32))
    assert 0 < np.abs(rough - exact).max() < 0.3


@pytest.fixture
def chooses_f16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As gpen does on CUDA, but on the CPU."""
    monkeypatch.setattr(torch_engine, "_fastest_faithful", lambda *_: "f16")


@pytest.mark.usefixtures("chooses_f16")
def test_a_network_that_is_too_much_for_f16_goes_on_in_f32(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    large = {
        name: Tensor("f32", tensor.float32() * np.float32(1e6 if name == "ecd0.0.0.weight" else 1))
        for name, tensor in random_tensors(TINY).items()
    }
    write_safetensors(large, tmp_path / "large.safetensors")
    model = find_model(tmp_path / "large.safetensors")
    exact = TorchEngine(model, device="cpu", precision="f32").run(crops(32))
    engine = TorchEngine(model, device="cpu")
    assert engine.precision == "f16"
    for _ in range(2):
        np.testing.assert_array_equal(engine.run(crops(32)), exact)
    assert engine.precision == "f32"
    assert caplog.messages == ["large.safetensors leaves the range of f16: f32 takes over"]


@pytest.mark.usefixtures("chooses_f16")
def test_f16_stays_where_it_does(tmp_path: Path) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    engine = TorchEngine(model, device="cpu")
    exact = TorchEngine(model, device="cpu", precision="f32").run(crops(32))
    assert 0 < np.abs(engine.run(crops(32)) - exact).max() < 0.02
    assert engine.precision == "f16"


@pytest.mark.parametrize(
    ("device", "kind", "capability", "expected"),
    [
        pytest.param("cuda", "gpen", (9, 0), "f16", id="hopper"),
        pytest.param("cuda:1", "gpen-sr", (7, 0), "f16", id="volta"),
        pytest.param("cuda", "gpen-subpixel", (9, 0), "f16", id="subpixel"),
        pytest.param("cuda", "gpen", (6, 1), "f32", id="pascal"),
        pytest.param("cuda", "gpen-described", (9, 0), "f32", id="not_measured"),
        pytest.param("cpu", "gpen", (9, 0), "f32", id="cpu"),
        pytest.param("mps", "gpen", (9, 0), "f32", id="mps"),
    ],
)
def test_f16_is_chosen_where_it_is_fast_and_keeps_the_picture(
    device: str,
    kind: str,
    capability: tuple[int, int],
    expected: str,
    identity_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    model = replace(find_model(identity_model), kind=kind)
    assert torch_engine._fastest_faithful(torch.device(device), model) == expected


def test_missing_torch_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gpen\[torch\]'"):
        open_engine(model, engine="torch")


@pytest.mark.parametrize(
    ("device", "has_torch", "has_cuda", "own", "expected"),
    [
        pytest.param("auto", True, True, True, "torch", id="cuda"),
        pytest.param("auto", True, True, False, "openvino", id="cuda_but_foreign_file"),
        pytest.param("auto", True, False, True, "openvino", id="no_cuda"),
        pytest.param("auto", False, False, True, "openvino", id="no_torch"),
        pytest.param("cpu", True, True, True, "openvino", id="cpu_wanted"),
        pytest.param("cuda:1", True, False, True, "torch", id="cuda_wanted"),
        pytest.param("cuda", False, False, True, "onnxruntime", id="cuda_without_torch"),
        pytest.param("cuda", True, True, False, "onnxruntime", id="cuda_for_a_foreign_file"),
        pytest.param("mps", True, False, True, "torch", id="mps_wanted"),
    ],
)
def test_auto_takes_the_fastest_that_can(
    device: str,
    has_torch: bool,
    has_cuda: bool,
    own: bool,
    expected: str,
    tmp_path: Path,
    identity_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = save_safetensors(TINY, tmp_path / "a.safetensors") if own else identity_model
    monkeypatch.setattr(engines, "_installed", lambda package: package != "torch" or has_torch)
    monkeypatch.setattr(engines, "_has_cuda", lambda: has_cuda)
    assert engines._choose(find_model(path), device) == expected


def test_weights_are_read_from_training_checkpoints(tmp_path: Path) -> None:
    source = save_safetensors(TINY, tmp_path / "a.safetensors")
    state = to_torch(load_weights(source).tensors)
    torch.save({"g_ema": state, "g": {k: v * 0 for k, v in state.items()}}, tmp_path / "a.pth")
    expected = open_engine(find_model(source), engine="openvino").run(crops(32))
    output = open_engine(find_model(tmp_path / "a.pth"), engine="openvino").run(crops(32))
    np.testing.assert_array_equal(output, expected)
