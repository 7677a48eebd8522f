"""Fitting the detector's scores: scenes, truths, the regression."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from gpen.faces.detectors.candidates import Candidates
from gpen.faces.detectors.face_scores import evidence_of
from gpen.faces.detectors.gpen_detector import Search
from gpen.faces.detectors.network_planes import sigmoid
from support.drawn_faces import face_points, textured
from tools.detector.judged import Judged, Scene, face_scenes, faceless_scenes, fit, joined, judge
from tools.detector.photos import Label, Photo


@pytest.fixture
def photos() -> list[Photo]:
    image = np.asarray(textured((200, 180), seed=3), np.uint8)
    points = face_points((100, 90), 30)
    box = np.concatenate([points.min(axis=0) - 18, points.max(axis=0) + 18])
    levels = tuple(np.ascontiguousarray(image[:: 1 << n, :: 1 << n]) for n in range(4))
    return [Photo(levels, (Label(box, points, True),))]


def test_the_regression_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([-0.4, 1.2, 0.3, -0.6, 0.5])
    x = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 4)) * 2])
    y = rng.random(len(x)) < sigmoid(x @ truth)
    np.testing.assert_allclose(fit(Judged(x, y, 0)), truth, atol=0.1)


def test_scenes_hold_their_face_whole_and_the_others_none(photos: list[Photo]) -> None:
    scenes = list(face_scenes(np.random.default_rng(1), photos, 12))
    assert len(scenes) == 12
    for scene in scenes:
        assert scene.box_xyxy is not None
        middle = (scene.box_xyxy[:2] + scene.box_xyxy[2:]) / 2
        assert (middle > 0).all()
        assert (middle < scene.image.shape[0]).all()
    rng = np.random.default_rng(2)
    others = list(faceless_scenes(rng, photos, [photos[0].levels[0]], 9))
    assert [scene.box_xyxy for scene in others] == [None] * 9


class _Finds:
    """A detector that sees the same two candidates in every image."""

    def search(self, _: object) -> Search:
        boxes = np.array([[10.0, 10, 50, 50], [80, 80, 120, 120]])
        points = np.stack([face_points((30, 30), 16), face_points((100, 100), 16)])
        found = Candidates(boxes, points, np.array([0.9, 0.6]))
        nothing = Candidates(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))
        return Search(found, evidence_of(found, nothing, 1.0))


def test_of_a_face_the_candidate_on_it_counts_and_elsewhere_all_do() -> None:
    image = np.zeros((160, 160, 3), np.uint8)
    with_face = Scene(image, np.array([12.0, 12, 52, 52]))
    missed = Scene(image, np.array([60.0, 10, 90, 40]))
    faces = judge(_Finds(), iter([with_face, missed]))  # type: ignore[arg-type]
    assert faces.is_face.tolist() == [True]
    assert faces.missed == 1
    none = judge(_Finds(), iter([Scene(image, None)]))  # type: ignore[arg-type]
    assert none.is_face.tolist() == [False, False]
    both = joined(faces, none)
    assert both.columns.shape == (3, 5)
    assert both.missed == 1
