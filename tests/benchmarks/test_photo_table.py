"""The benchmark of whole photos makes photos that show what they should."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from gpen import Restorer

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import photo

    return photo


@pytest.fixture
def faces(tmp_path: Path, portrait: Path) -> Path:
    """A folder laid out like the shared faces: two held-out photos, one for training."""
    rows = []
    for name, count in (
        ("photos/val/a.jpg", 1),
        ("photos/val/b.jpg", 2),
        ("photos/train/c.jpg", 1),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(portrait.read_bytes())
        rows.append(json.dumps({"file": name, "faces": [{"verified": True}] * count}))
    (tmp_path / "photos.jsonl").write_text("\n".join(rows))
    return tmp_path


def test_photos_are_grids_of_held_out_portraits(
    benchmark: ModuleType, faces: Path, tmp_path: Path
) -> None:
    some = benchmark.portraits(faces, 5)
    assert len(some) == 1
    path = benchmark.make_photo(some * 4, (640, 480), tmp_path / "grid.jpg")
    grid = cv2.imread(str(path))[..., ::-1].astype(int)
    assert grid.shape == (480, 640, 3)
    tile = cv2.resize(np.ascontiguousarray(some[0]), (240, 240), interpolation=cv2.INTER_AREA)
    for x, y in ((0, 0), (320, 0), (0, 240), (320, 240)):
        assert np.abs(grid[y : y + 240, x : x + 240] - tile).mean() < 4
    assert np.abs(grid[:, 245:315] - 128).max() < 20


def test_every_stage_is_measured(
    benchmark: ModuleType, faces: Path, tmp_path: Path, negative_model: Path
) -> None:
    path = benchmark.make_photo(benchmark.portraits(faces, 1), (512, 512), tmp_path / "one.jpg")
    restorer = Restorer(model=str(negative_model))
    row = benchmark.measure(restorer, path, runs=1)
    assert row["faces found"] == 1
    assert row["total"] == pytest.approx(sum(row[stage] for stage in benchmark.STAGES), abs=1e-3)
    assert 0 < row["outside %"] <= 100
    limits = benchmark.by_limit(restorer, path, runs=1)
    assert [limit["stage"] for limit in limits] == list(benchmark.STAGES) == list(benchmark.LIMITS)


def test_photos_are_restored_to_disk_at_any_number_of_jobs(
    benchmark: ModuleType, faces: Path, tmp_path: Path, negative_model: Path
) -> None:
    path = benchmark.make_photo(benchmark.portraits(faces, 1), (256, 256), tmp_path / "one.jpg")
    restorer = Restorer(model=str(negative_model))
    for jobs in (1, 3):
        with benchmark.emptied(tmp_path / "out") as out:
            assert benchmark.restore_all(restorer, [path] * 3, out, jobs) > 0
            assert sorted(p.name for p in out.iterdir()) == ["0.jpg", "1.jpg", "2.jpg"]
        assert not out.exists()


def test_memory_is_that_of_the_process_that_is_measured(
    benchmark: ModuleType, faces: Path, tmp_path: Path
) -> None:
    path = benchmark.make_photo(benchmark.portraits(faces, 1), (256, 256), tmp_path / "one.jpg")
    much = np.ones(1 << 28, np.uint8)  # 256 MiB that the other process does not have
    with benchmark.emptied(tmp_path / "out") as out:
        peak = benchmark.peak_mib(path, 1, out, 1)
    assert much[-1] == 1
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert 50 < peak < own_peak
