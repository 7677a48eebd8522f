"""`gpen batch` as a person types it; Ray itself is tried in tests/cluster/test_ray_run.py."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image as PILImage

pytest.importorskip("ray.data", reason="gpen[cluster] is not installed")
pytest.importorskip("fsspec", reason="gpen[cluster] is not installed")

from gpen import Settings
from gpen.cli import app, batch
from gpen.cluster import ray_run
from gpen.cluster.batch_plan import Block
from gpen.cluster.manifest import Row
from gpen.cluster.worker import Job, Restore, Worker

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(run_gpen: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `gpen batch` in this process, its blocks too: exit code, output, errors."""
    alone = typer.Typer()
    alone.callback()(lambda: None)
    alone.command(epilog=batch.EPILOG)(batch.batch)
    monkeypatch.setattr(app, "app", alone)
    monkeypatch.setattr(ray_run, "run_blocks", run_here)

    return partial(run_gpen, "batch")


def run_here(
    blocks: Sequence[Block],
    job: Job,
    make_restore: Callable[[], Restore],
    worker_config: ray_run.WorkerConfig,
) -> Iterator[list[Row]]:
    worker = Worker(job, make_restore)
    for block in blocks:
        yield worker.do(block)


@pytest.fixture
def photos(tmp_path: Path, demo_photo: Path) -> Path:
    """A photo with a face, one without in a folder below, and a bad one."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "face.jpg").write_bytes(demo_photo.read_bytes())
    PILImage.new("RGB", (120, 90), (40, 80, 120)).save(folder / "sub" / "blank.png")
    (folder / "sub" / "bad.jpg").write_text("not a photo")
    return folder


def report_of(out: Path) -> dict[str, dict[str, object]]:
    report = json.loads((out / ".gpen-batch" / "report.json").read_text())
    return {row["name"]: row for row in report["inputs"]}


def results(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".gpen-batch" not in path.parts
    }


def test_restores_a_folder_and_tells_what_became_of_each(
    run: Run, photos: Path, tmp_path: Path, negative_model: Path
) -> None:
    out = tmp_path / "out"
    code, said, errors = run(photos, out, "--model", negative_model, "--format", "png")
    assert code == 1
    assert set(results(out)) == {"face.png", "sub/blank.png"}
    before = np.asarray(PILImage.open(photos / "face.jpg")).astype(int)
    after = np.asarray(PILImage.open(out / "face.png")).astype(int)
    assert np.abs(before - after).max() > 100
    rows = report_of(out)
    assert {name: row["status"] for name, row in rows.items()} == {
        "face.jpg": "restored",
        "sub/blank.png": "no face",
        "sub/bad.jpg": "failed",
    }
    assert (rows["face.jpg"]["restored"], rows["face.jpg"]["model"]) == (1, "negative")
    assert "sub/bad.jpg: cannot read" in errors
    assert re.search(r"1 +failed\s+1 +no face\s+1 +restored", said)


def test_a_second_run_does_only_what_is_left(
    run: Run, photos: Path, tmp_path: Path, identity_model: Path
) -> None:
    out = tmp_path / "out"
    run(photos, out, "--model", identity_model)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    (photos / "sub" / "bad.jpg").write_bytes((photos / "face.jpg").read_bytes())
    code, _, errors = run(photos, out, "--model", identity_model)
    assert code == 0
    assert "2 done before; 1 restored now" in errors
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert {row["status"] for row in report_of(out).values()} == {"restored", "no face"}


def test_results_of_other_settings_are_kept_unless_asked(
    run: Run, photos: Path, tmp_path: Path, negative_model: Path
) -> None:
    out = tmp_path / "out"
    (photos / "sub" / "bad.jpg").unlink()
    run(photos, out, "--model", negative_model)
    first = results(out)
    code, _, errors = run(photos, out, "--model", negative_model, "--blend", "0.5")
    assert code == 3
    assert "--overwrite or --skip-existing" in errors
    assert run(photos, out, "--model", negative_model, "--blend", "0.5", "--skip-existing")[0] == 0
    assert results(out) == first
    assert run(photos, out, "--model", negative_model, "--blend", "0.5", "--overwrite")[0] == 0
    assert results(out)["face.jpg"] != first["face.jpg"]


def test_an_empty_folder_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    code, _, errors = run(tmp_path / "in", tmp_path / "out")
    assert code == 3
    assert "has no photos in it" in errors
    assert not (tmp_path / "out").exists()


def test_memory_is_refused_because_workers_do_not_see_it(run: Run, tmp_path: Path) -> None:
    code, _, errors = run("memory://photos", tmp_path)
    assert code == 2
    assert "memory of this process only" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--overwrite", "--skip-existing"], "exclude each other", id="both"),
        pytest.param(["--upscale", "3"], "expected 1, 2 or 4", id="upscale"),
        pytest.param(["--workers", "-1"], "--workers", id="workers"),
        pytest.param(["--format", "doc"], "format is 'doc'", id="format"),
    ],
)
def test_usage_errors_exit_with_2(
    run: Run, photos: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, _, errors = run(photos, tmp_path / "out", *arguments)
    assert code == 2
    assert message in re.sub(r"[│\s]+", " ", errors)


def test_without_ray_the_extra_is_named(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    code, _, errors = run(photos, tmp_path / "out")
    assert code == 3
    assert "pip install 'gpen[cluster]'" in errors


def test_every_setting_of_gpen_restore_is_an_option(run: Run) -> None:
    code, said, _ = run("--help")
    assert code == 0
    assert "Examples" in said
    command = typer.main.get_command(app.app).commands["batch"]
    options = {parameter.name.rstrip("_") for parameter in command.params}
    assert {field.name for field in dataclasses.fields(Settings)} <= options
    restore = _app_of(app.restore.restore).params
    for parameter in command.params:
        twin = next((other for other in restore if other.name == parameter.name), None)
        if twin is not None and parameter.name not in ("overwrite", "skip_existing", "jobs"):
            assert (parameter.opts, parameter.default) == (twin.opts, twin.default)


def _app_of(function: Callable[..., None]) -> typer.core.TyperCommand:
    app = typer.Typer()
    app.command()(function)
    return typer.main.get_command(app)
