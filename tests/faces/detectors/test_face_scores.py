"""Scores: what raises them, and when YuNet has a say."""

from __future__ import annotations

import numpy as np

from gpen.faces.detectors.candidates import Candidates
from gpen.faces.detectors.face_scores import Evidence, evidence_of, least_probability, probability

UPRIGHT = np.array([(-0.2, -0.1), (0.2, -0.1), (0, 0.1), (-0.15, 0.3), (0.15, 0.3)])


def face(x: float, size: float, score: float, *, degrees: float = 0) -> Candidates:
    """One candidate with its middle at (x, 100)."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (UPRIGHT * size) @ turn.T + (x, 100)
    box = [x - size / 2, 100 - size / 2, x + size / 2, 100 + size / 2]
    return Candidates(np.array([box]), points[None], np.array([score]))


NONE = Candidates(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))


def score_of(found: Candidates, yunet: Candidates, scale: float = 1.0) -> float:
    return float(probability(evidence_of(found, yunet, scale))[0])


def test_the_score_rises_with_what_either_network_says() -> None:
    alone = score_of(face(100, 60, 0.7), NONE)
    assert alone < score_of(face(100, 60, 0.9), NONE)
    assert alone < score_of(face(100, 60, 0.7), face(102, 55, 0.4))
    assert score_of(face(100, 60, 0.7), face(102, 55, 0.4)) < score_of(
        face(100, 60, 0.7), face(102, 55, 0.9)
    )


def test_a_candidate_elsewhere_or_of_another_size_is_another_face() -> None:
    alone = score_of(face(100, 60, 0.7), NONE)
    assert score_of(face(100, 60, 0.7), face(150, 60, 0.9)) == alone
    assert score_of(face(100, 60, 0.7), face(100, 150, 0.9)) == alone


def test_of_tiny_and_of_turned_faces_yunet_says_nothing() -> None:
    tiny, turned = face(100, 7, 0.9), face(100, 60, 0.9, degrees=90)
    for found in (tiny, turned):
        assert score_of(found, NONE) == score_of(found, found)
    large = face(100, 60, 0.9)
    assert score_of(large, NONE, scale=0.1) == score_of(large, large, scale=0.1)


def test_small_faces_must_be_surer_and_the_smallest_are_none() -> None:
    least = least_probability(np.array([10.0, 12.0, 18.0, 40.0, 400.0]))
    assert least[0] > 1
    assert (np.diff(least[1:]) <= 0).all()
    assert least[3] == least[4]


def test_without_candidates_there_are_no_scores() -> None:
    evidence = evidence_of(NONE, face(100, 60, 0.9), 1.0)
    assert isinstance(evidence, Evidence)
    assert probability(evidence).shape == (0,)
