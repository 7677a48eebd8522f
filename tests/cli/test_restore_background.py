"""`gpen restore --background`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gpen.images.read import read_image
from support.upscaler_files import save, small_compact

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def photo(tmp_path: Path, demo_photo: Path) -> Path:
    save(small_compact(2), tmp_path / "small-x2.pth")
    return Path(shutil.copy(demo_photo, tmp_path / "old.jpg"))


def test_background_by_name(run_gpen: Run, photo: Path) -> None:
    folder, target = photo.parent, photo.with_name("new.png")
    options = ("--models-dir", folder, "--background", "small-x2", "--upscale", "2")
    code, _, err = run_gpen("restore", photo, "-o", target, *options)
    assert (code, err) == (0, "")
    assert read_image(target).size_wh == (1024, 1024)


def test_models_lists_upscalers_by_their_factor(run_gpen: Run, photo: Path) -> None:
    _, out, _ = run_gpen("models", "--models-dir", photo.parent)
    row = next(line for line in out.splitlines() if line.split()[:1] == ["small-x2"])
    assert row.split()[1:3] == ["compact", "×2"]
