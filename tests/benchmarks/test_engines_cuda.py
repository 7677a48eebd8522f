"""The GPU's table tells what was not measured, and its measuring works on any device."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gpen.engines import torch_layers
from networks import TINY, save_safetensors

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def cuda_table(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import engines_cuda

    monkeypatch.setattr(engines_cuda, "_SECONDS", 0.0)
    return engines_cuda


def test_without_a_gpu_the_table_says_so(
    cuda_table: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cuda_table, "write_results", lambda *given: written.append(given))
    monkeypatch.setattr(sys, "argv", ["engines_cuda.py", "--sizes", "512", "2048"])
    cuda_table.main()
    ((name, data, table),) = written
    assert (name, data["machine"]["gpu"]) == ("engines-cuda", "not measured: no GPU")
    assert [row["size"] for row in table] == [512] * 3 + [2048] * 3
    assert {row["ms_per_face"] for row in table} == {"not measured: no GPU"}


def test_every_way_and_precision_has_a_row(cuda_table: ModuleType, tmp_path: Path) -> None:
    path = save_safetensors(TINY, tmp_path / "tiny.safetensors")
    rows = list(cuda_table.network_rows(path, 32, [1, 2], "cpu"))
    assert len(rows) == 2 * (1 + 3 * 3)
    measured = [row for row in rows if row["way"] != "graph"]
    assert all(row["ms_per_face"] > 0 and row["times_naive"] > 0 for row in measured)


def test_fusing_is_tried_and_left_as_it_was(cuda_table: ModuleType, tmp_path: Path) -> None:
    path = save_safetensors(TINY, tmp_path / "tiny.safetensors")
    before = dict(torch_layers.FUSED_CHANNELS)
    rows = list(cuda_table.fusing_rows(path, 32, "cpu"))
    assert [row["way"] for row in rows][1] == "launched, fused up to 64"
    assert before == torch_layers.FUSED_CHANNELS


def test_a_frame_is_restored_by_both(cuda_table: ModuleType, tmp_path: Path) -> None:
    path = save_safetensors(TINY, tmp_path / "tiny.safetensors")
    rows = list(cuda_table.frame_rows(path, 32, "cpu"))
    assert [row["ms_per_face"] > 0 for row in rows] == [True, True]
