"""`gpen doctor` on a machine that is well, and on others."""

from __future__ import annotations

import importlib.metadata
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gpen.models
from gpen.cli import app, doctor, doctor_machine, doctor_trials

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run it without a network, in an empty folder, without timing engines unless asked."""

    def refuse(*_: object) -> None:
        raise AssertionError("gpen doctor used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)

    def run_(budget_s: float = -1.0) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(doctor, "_BUDGET_S", budget_s)
        with pytest.raises(SystemExit) as exit_:
            app.main(["doctor", "--json"])
        return int(exit_.value.code or 0), json.loads(capsys.readouterr().out)

    return run_


def fixes(report: dict[str, Any]) -> list[dict[str, str]]:
    parts = [part for part in report.values() if isinstance(part, list)]
    return [finding for part in parts for finding in part if finding["state"] == "fix"]


@pytest.mark.slow
def test_a_healthy_machine_is_told_with_speeds(run: Run) -> None:
    code, report = run(60.0)
    assert fixes(report) == []
    assert code == 0
    assert report["healthy"] is True
    assert list(report)[1:] == [
        *("installation", "machine", "models", "folders", "video", "example", "speed")
    ]
    said = {found["about"]: found["text"] for found in report["speed"]}
    assert "ms a face (256 px on CPU)" in said["speed of openvino f32"]
    assert "on cpu" not in said.get("speed of torch f16", "")  # of which no CPU has the arithmetic
    models = {found["about"]: found["text"] for found in report["models"]}
    assert "gpen-default-256" in models["restorers"]
    assert "gpen-face-embedding" in models["embeddings"]
    assert "1 face restored" in report["example"][0]["text"]


def test_speeds_are_left_out_when_time_is_up(run: Run) -> None:
    code, report = run()
    assert code == 0
    assert {found["state"] for found in report["speed"]} == {"note"}


def test_a_damaged_model_is_something_to_fix(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.pth").write_text("<!DOCTYPE html>")
    (tmp_path / "weights").mkdir()  # of another program, which may keep there what it likes
    (tmp_path / "weights" / "theirs.pth").write_text("<!DOCTYPE html>")
    code, report = run()
    assert code == 1
    assert report["healthy"] is False
    (fix,) = fixes(report)
    assert "mine.pth is a web page" in fix["text"]
    assert "rm 'models/mine.pth'" in fix["todo"]
    assert any("theirs.pth" in found["text"] for found in report["models"])


def test_a_models_folder_that_is_not_there_is_something_to_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPEN_MODELS", f"{tmp_path}{os.pathsep}{tmp_path / 'absent'}")
    found = [found for found in doctor_trials.models() if found.state == "fix"]
    assert [fix.todo for fix in found] == [f"mkdir -p '{tmp_path / 'absent'}'"]


def test_a_folder_that_cannot_be_written_is_something_to_fix(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GPEN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file" / "data"))
    code, report = run()
    assert code == 1
    todo = [found["todo"] for found in fixes(report) if found in report["folders"]]
    assert todo == ["export GPEN_CACHE_DIR=/another/folder", "export XDG_DATA_HOME=/another/folder"]


def test_a_full_disk_is_something_to_fix(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    findings = {found.about: found for found in doctor_trials.storage()}
    assert {found.state for found in findings.values()} == {"fix"}
    assert "0.0 GiB free" in findings["cache"].text
    assert "gpen cache --clear" in findings["cache"].todo


@pytest.mark.parametrize(
    ("package", "extra", "state", "todo"),
    [
        ("numpy", "packages", "fix", "pip install --upgrade gpen"),
        ("onnxruntime", "extra onnxruntime", "note", "pip install --upgrade 'gpen[onnxruntime]'"),
    ],
)
def test_what_is_missing_is_told_with_the_command_that_adds_it(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str, state: str, todo: str
) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name == package:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    found = next(found for found in doctor_machine.installed() if found.about == extra)
    assert (found.state, found.todo) == (state, todo)
    assert package in found.text


def test_what_is_too_old_is_something_to_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1.26", "ray[data]<9,>=2.60; extra == 'cluster'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: wanted)
    versions = {"gpen": "1", "numpy": "1.9.3", "ray": "2.9"}
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)
    found = {found.about: found for found in doctor_machine.installed()}
    assert found["packages"].text == "numpy 1.9.3 is older than 1.26"
    assert found["extra cluster"].text == "ray 2.9 is older than 2.60"
    assert {found["packages"].state, found["extra cluster"].state} == {"fix"}


def test_an_example_without_its_face_is_something_to_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "example-face.jpg")
    monkeypatch.setattr(gpen.models, "ASSETS", tmp_path)
    (found,) = doctor_trials.work()
    assert found.state == "fix"
    assert "no face was found" in found.text
    assert "pip install" in found.todo


def test_a_package_that_does_not_load_is_told_and_the_rest_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> object:
        raise OSError("libsomething.so.2: cannot open shared object file\nmore")

    monkeypatch.setattr("gpen.engines.openvino.load_openvino", broken)
    code, report = run()
    assert code == 1
    trouble = report["machine"][-1]
    assert trouble["text"] == "OSError: libsomething.so.2: cannot open shared object file"
    assert "pip install" in trouble["todo"]
    assert report["folders"]


def test_text_ends_with_a_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_BUDGET_S", -1.0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        app.main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "installation"
    assert lines[-1] == "all is well"


def test_encoders_are_those_that_clips_are_written_with() -> None:
    from gpen.video.io import containers

    written = {codec: known.encoder for codec, known in containers._CODECS.items()}
    assert {codec: written[codec] for codec in doctor_trials.ENCODERS} == doctor_trials.ENCODERS
