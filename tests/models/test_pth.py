"""`.pth` files are read without torch, equal to torch, and never run."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpen.errors import UnsafeFileError, WeightsError
from gpen.models.pth import read_pth


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return OrderedDict(
        whole=base,
        transposed=base.t(),
        slice=base[1:3, 2:5],
        scalar=torch.tensor(7),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(torch.randn(5)),
        half=torch.randn(3).half(),
        brain=torch.randn(3).bfloat16(),
        double=torch.randn(2).double(),
        flags=torch.tensor([True, False]),
    )


@pytest.mark.parametrize("as_zip", [pytest.param(True, id="zip"), pytest.param(False, id="legacy")])
def test_reads_every_tensor_as_torch_does(
    state: dict[str, torch.Tensor], tmp_path: Path, as_zip: bool
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(
        {"g_ema": state, "step": 3, "lists": [1, (2, "x")]},
        path,
        _use_new_zipfile_serialization=as_zip,
    )
    tree = read_pth(path)
    assert tree["step"] == 3
    assert list(tree["g_ema"]) == list(state)
    for name, expected in state.items():
        found = tree["g_ema"][name]
        assert found.shape == tuple(expected.shape)
        np.testing.assert_array_equal(
            found.numpy(), expected.detach().to(torch.float64).numpy(), err_msg=name
        )


def test_reads_published_files(shared: Path) -> None:
    for name in ("retinaface_mobilenet0.25.pth", "lpips_v0.1_alex.pth"):
        path = shared / "models" / name
        expected = torch.load(path, map_location="cpu", weights_only=True)
        found = read_pth(path)
        assert list(found) == list(expected)
        for key, tensor in expected.items():
            np.testing.assert_array_equal(found[key].numpy(), tensor.numpy())


@pytest.mark.parametrize(
    "save",
    [
        pytest.param(lambda trap, path: torch.save({"a": trap}, path), id="zip"),
        pytest.param(
            lambda trap, path: torch.save(trap, path, _use_new_zipfile_serialization=False),
            id="legacy",
        ),
        pytest.param(lambda trap, path: path.write_bytes(pickle.dumps(trap)), id="plain_pickle"),
        pytest.param(lambda trap, path: path.write_bytes(pickle.dumps(trap, 0)), id="protocol_0"),
        pytest.param(lambda trap, path: path.write_bytes(pickle.dumps(trap, 5)), id="protocol_5"),
    ],
)
def test_a_malicious_pickle_is_refused_and_never_run(
    save: Callable[[Trap, Path], object], tmp_path: Path
) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "it-was-run"
    save(Trap(marker), path)
    with pytest.raises(UnsafeFileError, match=r"would call (posix|nt)\.mkdir") as caught:
        read_pth(path)
    assert caught.value.path == path
    assert not marker.exists()


def test_the_trap_works_at_all(tmp_path: Path) -> None:
    """Without this, the test above could pass because its pickle is harmless."""
    marker = tmp_path / "it-was-run"
    pickle.loads(pickle.dumps(Trap(marker)))  # noqa: S301
    assert marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"cbuiltins\neval\n(V1+1\ntR.", id="eval"),
        pytest.param(b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", id="dotted"),
        pytest.param(b"ccollections\nOrderedDict\n}Vx\nI1\ns.", id="class_as_value"),
        pytest.param(b"ctorch._utils\n_rebuild_tensor_v2\n}V__class__\nNsb.", id="change_stand_in"),
        pytest.param(b"ctorch.storage\n_load_from_bytes\n(C\x01.tR.", id="nested_pickle"),
    ],
)
def test_pickle_programs_get_nowhere(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "program.pth"
    path.write_bytes(program)
    with pytest.raises(WeightsError):
        read_pth(path)


def test_a_pickle_cannot_change_how_the_next_file_is_read(tmp_path: Path) -> None:
    poison, honest = tmp_path / "poison.pth", tmp_path / "honest.pth"
    poison.write_bytes(b"ctorch\nFloatStorage\n}Vdtype\nVf16\nsb.")
    torch.save({"a": torch.ones(4)}, honest)
    with pytest.raises(WeightsError):
        read_pth(poison)
    np.testing.assert_array_equal(read_pth(honest)["a"].numpy(), np.ones(4, np.float32))


def test_a_tensor_that_reaches_past_its_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.pth"
    torch.save({"a": torch.zeros(4)}, path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in contents if name.endswith("data.pkl"))
    assert contents[pickled].count(b"K\x04\x85") == 1  # the shape (4,)
    contents[pickled] = contents[pickled].replace(b"K\x04\x85", b"K\x40\x85")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    with pytest.raises(WeightsError, match="damaged"):
        read_pth(path)


def test_lists_within_lists_do_not_multiply(tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested] * 10
    path = tmp_path / "laughs.pth"
    torch.save({"a": nested}, path)
    read_pth(path)  # ends, and soon


def test_options_of_a_training_script_are_passed_over(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"args": argparse.Namespace(lr=0.1, path="x"), "g_ema": state}, path)
    tree = read_pth(path)
    assert list(tree["g_ema"]) == list(state)
    assert not hasattr(tree["args"], "lr")
