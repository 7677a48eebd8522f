"""The metrics together, by the networks of the reference data."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.faces.alignment import align_face
from gpen.faces.detection import load_detector
from gpen.images.read import read_image
from gpen.metrics.metric_files import find_metric_files
from gpen.metrics.registry import METRICS, MetricNetworks


@pytest.fixture(scope="module")
def metric_networks(shared: Path) -> MetricNetworks:
    return MetricNetworks(find_metric_files(shared / "models"), load_detector())


@pytest.fixture(scope="module")
def face(portrait: Path) -> np.ndarray:
    """The portrait's face as an aligned crop of 256 px."""
    photo = read_image(portrait).pixels
    points = load_detector().detect(np.asarray(photo, np.uint8))[0].points_xy
    return np.asarray(align_face(photo, points, size=256).pixels, np.uint8)


def test_every_metric_has_a_network_or_needs_none(metric_networks: MetricNetworks) -> None:
    assert not metric_networks.missing
    assert set(METRICS) - set(metric_networks.networks) == {"psnr", "ssim"}
    assert metric_networks.networks["lpips"].startswith("LPIPS-squeeze (Caffe weights)")


def test_a_face_is_like_itself_and_less_like_its_blurred_self(
    metric_networks: MetricNetworks, face: np.ndarray
) -> None:
    def scores(image: np.ndarray) -> dict[str, float]:
        return metric_networks.compare(image, face) | metric_networks.likeness(
            image, face, metric_networks.points(face)
        )

    same = scores(face)
    soft, softer = (
        scores(np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8)) for sigma in (3, 8)
    )
    assert same["identity"] == pytest.approx(1, abs=1e-4)
    assert same["lpips"] == same["landmarks"] == 0
    assert same["recall"] == 1
    assert same["identity"] > soft["identity"] > softer["identity"]
    assert same["lpips"] < soft["lpips"] < softer["lpips"]
    assert same["landmarks"] < soft["landmarks"]


def test_identity_without_a_face_in_the_model_is_no_number(
    metric_networks: MetricNetworks, face: np.ndarray
) -> None:
    nothing = np.full((5, 2), np.nan)
    assert np.isnan(metric_networks.likeness(face, face, nothing)["identity"])
