"""Folders of runs: made, numbered, found again, and gone where nothing came of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from gpen import WriteError
from gpen.training.config import Config
from gpen.training.processes import Processes
from gpen.training.runs import new_run, remove_temporary_files, run_folder


def start(runs: Path, config: Config, *, log: str = "", checkpoint: bool = False) -> None:
    """A start that fails after it has written this."""
    with run_folder(runs, None, config, Processes("cpu"), resume=False) as folder:
        if log:
            (folder / "log.jsonl").write_text(log)
        if checkpoint:
            (folder / "checkpoint.pt").touch()
        raise KeyboardInterrupt


@pytest.mark.parametrize("log", ["", '{"kind": "event", "step": 0, "faces": 5}\n'])
def test_start_that_fails_leaves_no_folder(tiny: Config, tmp_path: Path, log: str) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(KeyboardInterrupt):
        start(runs, tiny, log=log)
    assert not runs.exists()


def test_folder_of_runs_that_was_there_stays(tiny: Config, tmp_path: Path) -> None:
    before = new_run(tmp_path, tiny)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, tiny)
    assert list(tmp_path.glob("*-tiny")) == [before]


@pytest.mark.parametrize(
    "left", [{"log": '{"kind": "train", "step": 50, "l1": 0.5}\n'}, {"checkpoint": True}]
)
def test_what_was_trained_stays_though_the_run_failed(
    tiny: Config, tmp_path: Path, left: dict
) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "runs", tiny, **left)
    assert (tmp_path / "runs" / "00000-tiny" / "config.toml").exists()


def test_place_that_cannot_be_written_is_an_error_of_its_own(tiny: Config, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(WriteError, match="choose another --runs folder"):
        new_run(tmp_path / "runs", tiny)


def test_new_run_removes_what_killed_ones_left_but_not_what_is_being_written(
    tiny: Config, tmp_path: Path
) -> None:
    killed = new_run(tmp_path, tiny)
    old, young = killed / ".gpen-1.pt", killed / "samples" / ".gpen-2.png"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    new_run(tmp_path, tiny)
    assert (old.exists(), young.exists()) == (False, True)
    remove_temporary_files(killed)
    assert not young.exists()
