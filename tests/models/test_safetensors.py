"""`.safetensors` files agree with the safetensors package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gpen.errors import WeightsError
from gpen.models.safetensors import read_safetensors, write_safetensors
from gpen.models.tensors import Tensor, main_dtype
from support.small_networks import assert_same_tensors

TENSORS = {
    "a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b": torch.randn(5).bfloat16(),
    "c": torch.tensor(3),
    "d": torch.zeros(0, 4).half(),
}


def test_reads_what_the_package_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path, {"licence": "Apache-2.0"})
    found, notes = read_safetensors(path)
    assert notes == {"licence": "Apache-2.0"}
    for name, expected in TENSORS.items():
        assert found[name].shape == tuple(expected.shape)
        np.testing.assert_array_equal(found[name].float32(), expected.float().numpy())


def test_the_package_reads_what_is_written(tmp_path: Path) -> None:
    source, copy = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(TENSORS, source)
    tensors, _ = read_safetensors(source)
    write_safetensors(tensors, copy, {"origin": "ünïcode"})
    loaded = load_file(copy)
    for name, expected in TENSORS.items():
        assert loaded[name].dtype == expected.dtype
        assert torch.equal(loaded[name], expected)
    again, notes = read_safetensors(copy)
    assert_same_tensors(tensors, again)
    assert notes == {"origin": "ünïcode"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data[:30], id="cut_header"),
        pytest.param(lambda data: data.replace(b"F32", b"F33"), id="unknown_dtype"),
        pytest.param(lambda data: data.replace(b"[2,3]", b"[9,9]"), id="shape_against_bytes"),
        pytest.param(lambda data: data.replace(b'"shape"', b'"shapf"'), id="unknown_field"),
        pytest.param(lambda data: b"\x04" + bytes(7) + b"[{}]", id="not_a_table"),
    ],
)
def test_damage_is_told_in_one_line(damage, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors({"a": Tensor("f32", np.ones((2, 3), np.float32))}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match="damaged or cut off") as caught:
        read_safetensors(path)
    assert "\n" not in str(caught.value)


def test_half_refuses_what_it_cannot_hold() -> None:
    assert Tensor("f32", np.float32([1.5, 65504])).half().dtype == "f16"
    with pytest.raises(OverflowError):
        Tensor("f32", np.float32([1e5])).half()


def test_main_dtype_is_that_of_most_values() -> None:
    few, many = Tensor("f32", np.zeros(3, "<f4")), Tensor("bf16", np.zeros((9, 9), "<u2"))
    assert main_dtype([few, many]) == "bf16"
    assert main_dtype([]) is None
