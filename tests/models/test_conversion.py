"""Weights go between .pth, .safetensors and .onnx without losing a bit."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from gpen.errors import (
    MissingExtraError,
    OutputExistsError,
    UnknownModelError,
    WeightsError,
    WriteError,
)
from gpen.models import Tensor, convert, load_weights
from gpen.models.safetensors import write_safetensors
from support.small_networks import (
    TINY,
    TINY_SR,
    TINY_SUBPIXEL,
    assert_same_tensors,
    random_tensors,
    save_safetensors,
    to_torch,
)


@pytest.mark.parametrize(
    "net", [TINY, TINY_SR, TINY_SUBPIXEL], ids=["generator", "super_resolution", "subpixel"]
)
def test_round_trip_is_bit_equal(net, tmp_path: Path) -> None:
    """.pth → .safetensors → .onnx → .pth → .onnx → .safetensors."""
    tensors = random_tensors(net)
    torch.save({"g_ema": to_torch(tensors)}, tmp_path / "0.pth")
    for i, suffix in enumerate((".safetensors", ".onnx", ".pth", ".onnx", ".safetensors")):
        source = next(tmp_path.glob(f"{i}.*"))
        written = convert(source, tmp_path / f"{i + 1}{suffix}")
        assert_same_tensors(tensors, load_weights(written).tensors)
    first, second = tmp_path / "2.onnx", tmp_path / "4.onnx"
    assert first.read_bytes() == second.read_bytes()


def test_written_pth_is_a_plain_state_dict_for_torch(tmp_path: Path) -> None:
    source = save_safetensors(TINY, tmp_path / "a.safetensors")
    graph = convert(source, tmp_path / "a.onnx")  # keeps some tensors with their axes turned
    state = torch.load(convert(graph, tmp_path / "a.pth"), weights_only=True)
    for name, tensor in random_tensors(TINY).items():
        assert torch.equal(state[name], torch.from_numpy(tensor.bits))
        assert state[name].is_contiguous()


@pytest.mark.parametrize("net", [TINY, TINY_SUBPIXEL], ids=["published", "subpixel"])
def test_onnx_keeps_the_contract_of_other_tools(net, tmp_path: Path) -> None:
    """Ports `input` and `output`, fixed (1, 3, S, S), f32, an opset that they read."""
    path = convert(save_safetensors(net, tmp_path / "a.safetensors"), tmp_path / "a.onnx")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (first,), (last,) = model.graph.input, model.graph.output
    assert (first.name, last.name) == ("input", "output")
    for port in (first, last):
        assert [d.dim_value for d in port.type.tensor_type.shape.dim] == [1, 3, 32, 32]
        assert port.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert model.opset_import[0].version == 17
    domains = {opset.domain for opset in model.opset_import}
    assert domains == {""}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
def test_half_stores_half(suffix: str, tmp_path: Path) -> None:
    source = save_safetensors(TINY, tmp_path / "a.safetensors")
    whole = convert(source, tmp_path / f"whole{suffix}")
    half = convert(source, tmp_path / f"half{suffix}", half=True)
    tensors = load_weights(half).tensors
    assert {t.dtype for t in tensors.values()} == {"f16"}
    for name, tensor in random_tensors(TINY).items():
        np.testing.assert_array_equal(tensors[name].bits, tensor.bits.astype(np.float16))
    saved = sum(t.bits.nbytes // 2 for t in random_tensors(TINY).values())
    assert whole.stat().st_size - half.stat().st_size > 0.9 * saved - 8000


def test_half_refuses_values_it_cannot_hold(tmp_path: Path) -> None:
    tensors = random_tensors(TINY)
    tensors["final_linear.0.bias"] = Tensor("f32", np.full(16, 1e6, np.float32))
    write_safetensors(tensors, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"final_linear\.0\.bias that f16 cannot hold"):
        convert(tmp_path / "a.safetensors", tmp_path / "a.onnx", half=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_bf16_goes_into_onnx_as_f32(tmp_path: Path) -> None:
    state = {k: v.bfloat16() for k, v in to_torch(random_tensors(TINY)).items()}
    torch.save(state, tmp_path / "a.pth")
    found = load_weights(convert(tmp_path / "a.pth", tmp_path / "a.onnx")).tensors
    for name, tensor in state.items():
        assert found[name].dtype == "f32"
        np.testing.assert_array_equal(found[name].bits, tensor.float().numpy())


def test_hash_is_the_crc32_in_eight_digits(tmp_path: Path) -> None:
    source = save_safetensors(TINY, tmp_path / "a.safetensors")
    path = convert(source, tmp_path / "gpen.onnx", write_hash=True)
    text = (tmp_path / "gpen.hash").read_text()
    assert text == f"{zlib.crc32(path.read_bytes()):08x}"


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    source, target = save_safetensors(TINY, tmp_path / "a.safetensors"), tmp_path / "b.onnx"
    target.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="already there"):
        convert(source, target)
    (tmp_path / "c.hash").write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match=r"c\.hash"):
        convert(source, tmp_path / "c.onnx", write_hash=True)
    assert target.read_bytes() == b"precious"
    assert not (tmp_path / "c.onnx").exists()
    assert load_weights(convert(source, target, overwrite=True)).kind == "gpen"


def test_a_file_can_be_converted_onto_itself(tmp_path: Path) -> None:
    path = save_safetensors(TINY, tmp_path / "a.safetensors")
    convert(path, path, half=True, overwrite=True)
    assert load_weights(path).dtype == "f16"


def test_foreign_onnx_is_not_reversible(identity_model: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be taken out; convert the \.pth"):
        convert(identity_model, tmp_path / "a.pth")


def test_only_generators_become_graphs(tmp_path: Path) -> None:
    torch.save({"model.diffusion_model.a": torch.zeros(2)}, tmp_path / "sd.pth")
    with pytest.raises(WeightsError, match="is a Stable Diffusion model; only GPEN generators"):
        convert(tmp_path / "sd.pth", tmp_path / "sd.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["sd.pth"]


def test_other_networks_still_become_safetensors(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(3, dtype=torch.bfloat16)}, tmp_path / "a.pth")
    found = load_weights(convert(tmp_path / "a.pth", tmp_path / "a.safetensors"))
    assert found.tensors["a.weight"].dtype == "bf16"
    again = torch.load(convert(tmp_path / "a.safetensors", tmp_path / "b.pth"), weights_only=True)
    assert torch.equal(again["a.weight"], torch.ones(3, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("a.bin", WeightsError, "no known suffix; expected one of .pth"),
        ("missing/a.onnx", WriteError, "cannot write to .*missing"),
    ],
)
def test_targets_that_cannot_be_are_told(
    target: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    source = save_safetensors(TINY, tmp_path / "a.safetensors")
    with pytest.raises(error, match=message):
        convert(source, tmp_path / target)


def test_unknown_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="no model"):
        convert("GPEN-BFR-4096", tmp_path / "a.onnx")


def test_writing_pth_without_torch_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_safetensors(TINY, tmp_path / "a.safetensors")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gpen\[torch\]'"):
        convert(source, tmp_path / "a.pth")
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_stored_tensors_are_plain_onnx(tmp_path: Path) -> None:
    """The weights can be read out by the onnx package under their published names."""
    path = convert(save_safetensors(TINY, tmp_path / "a.safetensors"), tmp_path / "a.onnx")
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    tensors = random_tensors(TINY)
    assert set(tensors) <= set(stored)
    up = tensors["generator.convs.0.conv.weight"].bits[0]
    np.testing.assert_array_equal(stored["generator.convs.0.conv.weight"], up.transpose(1, 0, 2, 3))
