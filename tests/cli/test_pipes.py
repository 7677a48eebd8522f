"""Readers of standard output that go away, and disks that are full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PILImage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash and POSIX pipes")


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """An image without a face, in a folder of its own."""
    path = tmp_path / "in" / "blank.bmp"
    path.parent.mkdir()
    PILImage.effect_noise((600, 400), 50).convert("RGB").save(path)
    return path


def gpen_into(reader: str, *arguments: str | Path, given: bytes = b"") -> tuple[int, str]:
    """Run gpen with its standard output in the hands of a shell; exit code, standard error."""
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {reader}', "-", sys.executable, "-m", "gpen"]
        + [str(argument) for argument in arguments],
        input=given,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def test_restoring_goes_on_when_nobody_reads_its_lines(blank: Path, tmp_path: Path) -> None:
    blank.with_name("a bad.jpg").write_text("not a photo")
    blank.with_name("b.bmp").write_bytes(blank.read_bytes())
    out = tmp_path / "out"
    code, err = gpen_into("| true", "restore", blank.parent, "-o", out, "--jobs", "1")
    assert sorted(path.name for path in out.glob("[!.]*")) == ["b_gpen.bmp", "blank_gpen.bmp"]
    assert code == 1  # one of three failed, and that is what the exit code says
    assert "2 of 3 done, 1 failed" in err
    assert "Traceback" not in err


def test_text_that_nobody_reads_is_no_failure(blank: Path) -> None:
    assert gpen_into("| true", "detect", blank, "--json") == (0, "")


def test_text_that_a_full_disk_does_not_take_is_a_failure(blank: Path) -> None:
    code, err = gpen_into("> /dev/full", "detect", blank, "--json")
    assert (code, err) == (3, "gpen: cannot print (No space left on device)\n")


@pytest.mark.parametrize("reader", ["| true", "> /dev/full"])
def test_a_result_that_standard_output_does_not_take_is_a_failure(blank: Path, reader: str) -> None:
    code, err = gpen_into(reader, "restore", "-", given=blank.read_bytes())
    assert code == 3
    (line,) = err.splitlines()
    assert line.startswith("gpen: cannot write the result to standard output (")
