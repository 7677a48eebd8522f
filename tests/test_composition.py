"""Composition: what is done again when a setting changes, and what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpen import Restorer


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer()


def test_answers_composed_are_the_result_of_restoring(restorer: Restorer, demo_photo: Path) -> None:
    whole = restorer.restore(demo_photo)
    composed = restorer.compose(restorer.run_networks(restorer.find_faces(demo_photo)))
    assert np.array_equal(whole.image, composed.image)
    assert whole.notes == composed.notes


@pytest.mark.parametrize(
    "options",
    [{"blend": 0.4}, {"fusion": False}, {"mask": "box"}, {"match_grain": True}, {"keep": "eyes"}],
    ids=str,
)
def test_answers_serve_other_settings_without_a_network(
    restorer: Restorer, demo_photo: Path, options: dict[str, object]
) -> None:
    outputs = restorer.run_networks(restorer.find_faces(demo_photo))
    other = restorer.with_(**options)
    again = other.run_networks(outputs.found, outputs)
    assert again.faces[0].output is outputs.faces[0].output
    expected = other.restore(demo_photo)
    assert np.array_equal(other.compose(again).image, expected.image)


def test_only_faces_that_are_new_are_asked_about(
    restorer: Restorer, photo_with_two_faces: Path
) -> None:
    found = restorer.find_faces(photo_with_two_faces)
    largest = restorer.with_(faces="largest").run_networks(found)
    both = restorer.run_networks(found, largest)
    assert [face.number for face in both.faces] == [0, 1]
    assert both.faces[0] is largest.faces[0]
    assert both.faces[1].output is not None
