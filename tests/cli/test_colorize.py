"""`gpen colorize`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from gpen.images.read import read_image

Run = Callable[..., tuple[int, str, str]]


def test_a_photo_is_colored_and_reported(
    run_gpen: Run, demo_photo: Path, negative_model: Path, tmp_path: Path
) -> None:
    model = shutil.copy(negative_model, tmp_path / "colorization.onnx")
    target, report = tmp_path / "new.png", tmp_path / "report.json"
    code, out, err = run_gpen(
        *("colorize", demo_photo, "-o", target, "--model", model),
        *("--saturation", "0.5", "--report", report),
    )
    assert code == 0
    assert "1 face" in out
    assert "has colours already" in err
    assert read_image(target).size_wh == read_image(demo_photo).size_wh
    assert json.loads(report.read_text())["settings"]["saturation"] == 0.5


def test_the_missing_network_is_named(run_gpen: Run, demo_photo: Path, tmp_path: Path) -> None:
    code, _, err = run_gpen("colorize", demo_photo, "-o", tmp_path / "new.png")
    assert code == 3
    assert "gpen models get GPEN-Colorization-1024" in err
