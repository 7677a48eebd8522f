"""Scores of several columns, whole and by group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpen.errors import ReadError
from gpen.metrics.comparison import Comparison
from gpen.metrics.metric_files import MetricFiles
from gpen.metrics.registry import MetricNetworks
from gpen.types import Face
from support.drawn_faces import face_points, textured
from support.metric_networks import write_mean_color_model

POINTS = face_points((31.5, 34), eye_distance=14)


class Detector:
    """Finds the same face in every image that is not black."""

    name = "same"

    def detect(self, image_pixels: np.ndarray) -> list[Face]:
        return [Face((9.0, 9.0, 55.0, 55.0), POINTS, 1.0)] if image_pixels.any() else []


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    files = MetricFiles(features=write_mean_color_model(tmp_path / "mean.onnx"))
    return Comparison(MetricNetworks(files, Detector()))


def _shifted(image: np.ndarray, levels: int) -> np.ndarray:
    return (image // 2 + 40 + levels).astype(np.uint8)


def _fill(comparison: Comparison) -> None:
    for i in range(4):
        truth = _shifted(textured((64, 64), seed=i), 0)
        columns = {"near": _shifted(textured((64, 64), seed=i), 1 + i), "lost": truth * 0}
        comparison.add(f"face{i}", columns, truth=truth)


def test_rows_hold_means_and_name_faces_that_were_not_found(comparison: Comparison) -> None:
    _fill(comparison)
    near, lost = comparison.rows()
    wanted = np.mean([20 * np.log10(255 / shift) for shift in (1, 2, 3, 4)])
    assert (near["image"], near["faces"], near["misses"]) == ("near", 4, 0)
    assert near["psnr"] == pytest.approx(wanted)
    assert near["landmarks"] == 0
    assert (lost["misses"], lost["recall"], lost["landmarks"]) == (4, 0, None)
    assert near["fid"] < lost["fid"]


def test_groups_have_means_of_their_own(comparison: Comparison) -> None:
    _fill(comparison)
    rows = comparison.group_rows({"face0": ["a"], "face3": ["a", "b"]})
    near = {row["group"]: row for row in rows if row["image"] == "near"}
    assert (near["a"]["faces"], near["b"]["faces"]) == (2, 1)
    assert near["b"]["psnr"] == pytest.approx(20 * np.log10(255 / 4))
    assert comparison.group_rows({"other": ["a"]}) == []


def test_metrics_without_their_file_or_pictures_say_what_they_need(comparison: Comparison) -> None:
    _fill(comparison)
    reasons = comparison.not_measured()
    assert list(reasons) == ["lpips", "identity"]
    assert "--lpips-backbone" in reasons["lpips"]
    blind = Comparison(MetricNetworks(MetricFiles(), Detector()))
    blind.add("face", {"restored": textured((64, 64))})
    assert set(blind.not_measured()) == {
        "psnr", "ssim", "lpips", "identity", "landmarks", "fid", "kid",
    }  # fmt: skip
    assert "--features" in blind.not_measured()["fid"]


def test_reference_takes_the_place_of_the_truth(comparison: Comparison) -> None:
    images = [_shifted(textured((64, 64), seed=i), 0) for i in range(4)]
    for i, image in enumerate(images):
        comparison.add(f"{i}", {"restored": image})
    assert "--reference" in comparison.not_measured()["fid"]
    for image in images:
        comparison.add_reference(image)
    (row,) = comparison.rows()
    assert row["fid"] == pytest.approx(0, abs=1e-9)
    assert "fid" not in comparison.not_measured()


def test_a_picture_of_another_size_is_refused_and_leaves_no_trace(comparison: Comparison) -> None:
    truth = textured((64, 64))
    with pytest.raises(ReadError, match="32 × 32 pixels; expected 64 × 64"):
        comparison.add("a", {"good": truth, "small": textured((32, 32))}, truth=truth)
    assert comparison.rows() == []


def test_per_face_scores_are_plain_numbers(comparison: Comparison) -> None:
    _fill(comparison)
    faces = comparison.per_face()
    assert len(faces) == 8
    assert faces[0]["face"] == "face0"
    assert faces[-1]["landmarks"] is None
