"""Terminals and files that do not take every letter, and names that are no text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PILImage

NO_TEXT = os.fsdecode(b"caf\xe9.png")


def gpen(folder: Path, *arguments: str, **environment: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "gpen", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "日本.png"):
        PILImage.new("RGB", (90, 60), (40, 80, 120)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(("encoding", "arrow"), [("cp1252", b"->"), ("ascii", b"->")])
def test_signs_that_an_encoding_lacks_end_no_run(folder: Path, encoding: str, arrow: bytes) -> None:
    code, out, err = gpen(folder, "restore", ".", "-o", "out", PYTHONIOENCODING=encoding)
    assert code == 0, err
    assert b"3 of 3 done, 0 failed" in err
    assert out.count(arrow) == 3
    assert b"\\u65e5\\u672c.png ->" in out
    assert len(list((folder / "out").glob("*.png"))) == 3


def test_help_and_errors_are_printed_in_any_encoding(folder: Path) -> None:
    assert gpen(folder, "restore", "--help", PYTHONIOENCODING="ascii")[0] == 0
    code, _, err = gpen(folder, "restore", "日.jpg", PYTHONIOENCODING="cp1252")
    assert code == 3
    assert b"Traceback" not in err
    assert b"gpen: cannot read \\u65e5.jpg: there is no such file" in err


def test_json_stays_json_in_any_encoding(folder: Path) -> None:
    code, out, _ = gpen(folder, "detect", "日本.png", "--json", PYTHONIOENCODING="cp1252")
    assert code == 0
    assert json.loads(out)["file"] == "日本.png"
    code, out, _ = gpen(folder, "detect", "日本.png", "--json", PYTHONIOENCODING="utf-8")
    assert "日本" in out.decode()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_names_that_are_no_text_are_restored_and_reported(folder: Path) -> None:
    (folder / "a.png").rename(folder / NO_TEXT)
    command = ("restore", NO_TEXT, "b.png", "-o", "out", "--report", "report.json")
    code, out, err = gpen(folder, *command, PYTHONIOENCODING="utf-8:strict")
    assert code == 0, err
    assert b"caf\xe9.png \xe2\x86\x92 out/caf\xe9_gpen.png" in out  # xargs and the like find it
    rows = json.loads((folder / "report.json").read_text("utf-8"))["inputs"]
    assert {row["input"] for row in rows} == {NO_TEXT, "b.png"}
    code, out, _ = gpen(folder, *command[:-2], "--skip-existing")
    assert (code, out.count(b"skipped")) == (0, 2)
    code, out, _ = gpen(folder, "detect", NO_TEXT, "--json")
    assert json.loads(out)["file"] == NO_TEXT
