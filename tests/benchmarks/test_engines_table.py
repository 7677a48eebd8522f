"""The engines' table says what was measured, and what was not."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PLACE = {"model": "random weights", "batch": 1, "gmacs": 50.0}


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import engines

    return engines


def test_rows_stand_beside_the_peer_and_the_processor(engines: ModuleType) -> None:
    rows = [
        {**engines.named(engines.PEER), **PLACE, "median_s": 4.0},
        {**engines.named(("openvino", "bf16", "cpu")), **PLACE, "median_s": 0.5},
        {**engines.named(("openvino", "f16", "cpu")), **PLACE, "failed": "no such arithmetic"},
    ]
    engines.put_beside(rows, {"gflops_f32": 100.0, "gflops_bf16": 400.0})
    assert [row.get("ratio_to_ort_peer") for row in rows] == [1.0, 8.0, None]
    assert [row.get("share_of_limit") for row in rows] == [0.25, 0.5, None]


def test_without_the_peer_there_is_no_ratio(engines: ModuleType) -> None:
    rows = [{**engines.named(("torch", "f32", "cpu")), **PLACE, "median_s": 1.0}]
    engines.put_beside(rows, {})
    assert "ratio_to_ort_peer" not in rows[0]


def test_a_gpu_that_is_not_there_takes_one_line(engines: ModuleType) -> None:
    absent = {**engines.named(("torch", "f16", "cuda")), **PLACE, "failed": engines.NO_GPU}
    rows = [{**dict.fromkeys(engines.FIGURES), **absent, "size": size} for size in engines.SIZES]
    (line,) = engines.table(rows)
    assert (line["network"], line["seconds"]) == ("all", "not measured: no GPU")


def test_psnr_is_that_of_pictures(engines: ModuleType) -> None:
    import engines_compare

    exact = np.full((2, 3, 8, 8), 1 / 255, np.float32)  # 128 in 8-bit colour
    output = exact.copy()
    output[1] += np.float32(2 / 255)  # one step of 8-bit colour
    same, one_off = engines_compare.psnr(output, exact)
    assert same > 100
    assert one_off == pytest.approx(20 * np.log10(255), abs=0.01)


def test_a_process_that_dies_says_why(engines: ModuleType, tmp_path: Path) -> None:
    import engines_compare

    worker = engines_compare.Worker(tmp_path, ("ort-peer", "f32", "cpu"))  # the folder is empty
    assert not worker.works
    assert "peer.onnx does not exist" in worker.finish()["failed"]
