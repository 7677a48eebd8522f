"""gpen does no harm: what it writes is not worse than what came in."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

import gpen

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import harm

    return harm


@pytest.fixture
def measured(harm: ModuleType, shared: Path) -> Any:
    """Figures of two held-out faces of 130 px under one damage."""
    from harm_measures import Measures
    from harm_photos import build, held_out

    photos = build(held_out(shared / "faces")[:2], shared / "faces", 130, 512)
    restorer, measures = gpen.Restorer(), Measures(shared / "models")

    def measure(damage: str) -> dict[str, Any]:
        figures, _ = harm.measure(photos, damage, 130, restorer, measures)
        return harm.row(130, damage, figures)

    return measure


@pytest.mark.parametrize("damage", ["none", "phone", "×4"])
def test_written_file_is_not_worse_than_the_input(measured: Any, damage: str) -> None:
    row = measured(damage)
    assert row["harm"] == []
    assert row["output"]["stray"] <= 1.5
    if damage == "none":
        assert row["output"]["lpips"] <= 0.01
        assert row["output"]["psnr"] >= 42


def test_network_that_replaces_everything_is_called_harm(
    harm: ModuleType, shared: Path, negative_model: Path
) -> None:
    from harm_measures import Measures
    from harm_photos import build, held_out

    photos = build(held_out(shared / "faces")[:1], shared / "faces", 130, 512)
    restorer = gpen.Restorer(model=str(negative_model), fusion=False)
    figures, _ = harm.measure(photos, "none", 130, restorer, Measures(shared / "models"))
    found = harm.row(130, "none", figures)["harm"]
    assert "LPIPS and identity" in found
    assert any("PSNR" in fault for fault in found)


def test_figures_that_were_measured_last_show_no_harm() -> None:
    """benchmarks/results/harm.json is written by `make bench`."""
    measured = json.loads((BENCHMARKS / "results" / "harm.json").read_text())
    harmful = [
        f"{r['face_px']} px {r['damage']}: {r['harm']}" for r in measured["rows"] if r["harm"]
    ]
    assert harmful == []
    assert len(measured["rows"]) >= 40


def test_photos_hold_the_faces_where_they_say(harm: ModuleType, shared: Path) -> None:
    from harm_photos import build, held_out

    rows = held_out(shared / "faces")[:3]
    for face_px, side in ((60, 1024), (260, 1024), (900, 2048)):
        photos = build(rows, shared / "faces", face_px, side)
        assert sum(len(photo.names) for photo in photos) == 3
        for photo in photos:
            assert photo.pixels.shape == (side, side, 3)
            eyes = np.linalg.norm(photo.points_xy[:, 0] - photo.points_xy[:, 1], axis=1)
            assert (np.abs(eyes / face_px - 0.375) < 0.12).all()


def test_no_face_that_chose_weights_is_measured(harm: ModuleType, shared: Path) -> None:
    from gpen.training.batches import sharp_faces
    from gpen.training.config_file import load_config
    from gpen.training.face_dataset import open_faces
    from harm_photos import CROP_PX, held_out

    config = load_config(BENCHMARKS.parent / "configs" / "default.toml")
    assert config.data.half == "even"
    val = shared / "faces" / "crops" / "val"
    faces = open_faces([val], CROP_PX)
    choosing = {Path(faces[number].name).name for number in sharp_faces(faces, config.data)[::2]}
    measured = {Path(row["file"]).name for row in held_out(shared / "faces")}
    assert len(measured) >= 24
    assert not measured & choosing


def test_damage_weakens_fine_detail(harm: ModuleType) -> None:
    from harm_photos import DAMAGES

    sharp = np.random.default_rng(0).integers(60, 200, (32, 32, 3), dtype=np.uint8)
    sharp = cv2.resize(sharp, (256, 256), interpolation=cv2.INTER_CUBIC)
    for name, damage in DAMAGES.items():
        damaged = damage(sharp, np.random.default_rng(1))
        assert damaged.shape == sharp.shape
        assert damaged.dtype == np.uint8
        assert (np.abs(damaged.astype(int) - sharp).mean() > 0.1) == (name != "none")
