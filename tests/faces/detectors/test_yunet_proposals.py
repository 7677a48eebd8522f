"""YuNet, run by gpen's engines, proposes what OpenCV's own decoder finds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.faces.detection import load_detector
from gpen.faces.detectors.image_pyramid import Level
from gpen.faces.detectors.yunet_proposals import YUNET_FILE, YuNetProposals
from gpen.models import ASSETS


@pytest.fixture(scope="module")
def proposals() -> YuNetProposals:
    return YuNetProposals.open(ASSETS / YUNET_FILE, engine="onnxruntime", device="cpu")


def test_answers_as_opencv_does(proposals: YuNetProposals, portrait: Path, shared: Path) -> None:
    """An image of odd sides; 16-bit weights move points by less than a hundredth of the face."""
    image = np.ascontiguousarray(cv2.imread(str(portrait))[:301, 50:451, ::-1])
    (face,) = load_detector(shared / "models/yunet_n_640_640.onnx").detect(image)
    found = proposals.find(Level(image, 1.0))
    best = int(found.scores.argmax())
    assert found.scores[best] == pytest.approx(face.score, abs=0.01)
    np.testing.assert_allclose(found.boxes_xyxy[best], face.box_xyxy, atol=0.01 * face.size_px)
    np.testing.assert_allclose(found.points_xy[best], face.points_xy, atol=0.01 * face.size_px)


def test_candidates_are_in_pixels_of_the_image(proposals: YuNetProposals, portrait: Path) -> None:
    image = np.ascontiguousarray(cv2.imread(str(portrait))[..., ::-1])
    whole = proposals.find(Level(image, 1.0))
    half = proposals.find(Level(image, 1.0).halved())
    for one, other in zip(whole.boxes_xyxy[:1], half.boxes_xyxy[:1], strict=True):
        np.testing.assert_allclose(one, other, atol=0.1 * whole.sizes[0])


def test_proposes_nothing_where_there_is_nothing(proposals: YuNetProposals) -> None:
    assert not len(proposals.find(Level(np.full((33, 90, 3), 90, np.uint8), 1.0)).scores)
