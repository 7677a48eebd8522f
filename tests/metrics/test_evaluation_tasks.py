"""From files to images that are measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.engines import open_engine
from gpen.errors import ReadError
from gpen.metrics.evaluation_tasks import SampleMaker, Task, column_names, enlarge
from gpen.metrics.severities import MEDIUM, severity_damage
from gpen.models import find_model
from support.drawn_faces import textured


def _write(path: Path, side: int) -> Path:
    cv2.imwrite(str(path), textured((side, side)))
    return path


def _sample_maker(model: Path) -> SampleMaker:
    engine = open_engine(find_model(model))
    damages = {"medium": severity_damage(MEDIUM, 0)}
    return SampleMaker({"same": engine}, damages, bicubic=True, column="restored", size=128)


def test_a_damaged_face_is_restored_at_the_size_of_its_truth(
    tmp_path: Path, identity_model: Path
) -> None:
    small, truth = _write(tmp_path / "small.png", 32), _write(tmp_path / "truth.png", 64)
    made = _sample_maker(identity_model).make(Task("face", 0, damaged=small, truth=truth))
    assert list(made.columns) == ["bicubic", "same"]
    assert np.array_equal(made.columns["bicubic"], made.columns["same"])  # changes nothing
    assert made.small is not None
    assert made.small.shape == (32, 32, 3)


def test_a_true_face_is_damaged_at_the_size_of_the_workshop(
    tmp_path: Path, identity_model: Path
) -> None:
    truth = _write(tmp_path / "truth.png", 100)
    made = _sample_maker(identity_model).make(Task("face", 0, truth=truth, damage="medium"))
    assert made.truth is not None
    assert made.truth.shape == made.columns["same"].shape == (128, 128, 3)
    assert made.small is not None
    assert made.small.shape == (32, 32, 3)


def test_without_truth_a_small_face_is_measured_at_the_size_of_the_model(
    tmp_path: Path, identity_model: Path
) -> None:
    made = _sample_maker(identity_model).make(
        Task("face", 0, damaged=_write(tmp_path / "small.png", 16))
    )
    assert made.columns["same"].shape == (64, 64, 3)


def test_a_face_that_is_no_square_is_refused(tmp_path: Path, identity_model: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), textured((64, 32)))
    with pytest.raises(ReadError, match=r"wide has .*square"):
        _sample_maker(identity_model).make(Task("wide", 0, damaged=tmp_path / "wide.png"))


def test_a_counterpart_of_another_shape_is_refused() -> None:
    with pytest.raises(ReadError, match="32 × 16 pixels damaged"):
        enlarge(textured((32, 16)), (64, 64), "face")


def test_columns_are_named_by_stem_and_numbered_where_two_are_the_same() -> None:
    models = ["gpen-default-256", "runs/a/GPEN v1.5.safetensors", "b/GPEN v1.5.onnx", "v1.5"]
    assert column_names(models) == ["gpen-default-256", "GPEN v1.5", "GPEN v1.5 (2)", "v1.5"]
