"""Tracks are chosen over whole shots."""

from __future__ import annotations

import numpy as np
import pytest

from gpen.errors import SettingsError
from gpen.video.tracking.face_tracks import Track, Tracks
from gpen.video.tracking.track_selection import best_detections, choose_tracks
from support.drawn_faces import face_points

WH = (640, 360)


def track(number: int, first: int, count: int, x: float, size: float, turn: float = 0.0) -> Track:
    points = np.stack([face_points((x, 180), size / 3, turn=turn)] * count)
    half = size / 2
    boxes = np.tile([x - half, 180 - half, x + half, 180 + half], (count, 1))
    return Track(number, first, points, points.copy(), boxes, np.full(count, 0.9), np.ones(count))


@pytest.fixture
def two_shots() -> Tracks:
    """Shot 0-49: 1 left, 2 centre and largest, 3 right. Shot 50-99: 4 right and largest, 5 left."""
    tracks = [
        track(1, 0, 50, 100, 60),
        track(2, 0, 50, 310, 90),
        track(3, 10, 40, 550, 40),
        track(4, 50, 50, 500, 80),
        track(5, 60, 30, 250, 50),
    ]
    return Tracks(tracks, [50], 100)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("all", {1, 2, 3, 4, 5}),
        ("largest", {2, 4}),
        ("left", {1, 5}),
        ("right", {3, 4}),
        ("center", {2, 5}),
        ("0", {2, 4}),
        ("1,2", {1, 3, 5}),
        ("7", set()),
        ("track:1,3", {1, 3}),
        ("track:99", set()),
    ],
)
def test_each_shot_has_its_own(two_shots: Tracks, which: str, expected: set[int]) -> None:
    assert choose_tracks(two_shots, which, WH) == expected


def test_small_faces_are_left_out(two_shots: Tracks) -> None:
    assert choose_tracks(two_shots, "all", WH, min_face=55) == {1, 2, 4}
    assert choose_tracks(two_shots, "right", WH, min_face=55) == {2, 4}


def test_a_face_that_was_lost_for_a_while_is_one_person() -> None:
    tracks = Tracks([track(1, 0, 30, 300, 90), track(2, 60, 30, 320, 95), track(3, 0, 90, 500, 40)])
    assert choose_tracks(Tracks(tracks.tracks, [], 90), "largest", WH) == {1, 2}


def test_who_passes_in_front_for_a_moment_is_not_the_largest() -> None:
    tracks = Tracks([track(1, 0, 100, 300, 80), track(2, 40, 5, 500, 200)], [], 100)
    assert choose_tracks(tracks, "largest", WH) == {1}


def test_a_likeness_is_asked_for(two_shots: Tracks) -> None:
    chosen = choose_tracks(two_shots, "like:anna.jpg", WH, like=lambda t: t.id % 2 == 0)
    assert chosen == {2, 4}


@pytest.mark.parametrize("which", ["", "biggest", "1,", "track:", "track:a", "like:photo.jpg"])
def test_what_means_nothing_is_refused(two_shots: Tracks, which: str) -> None:
    with pytest.raises(SettingsError, match="faces is"):
        choose_tracks(two_shots, which, WH)


def test_no_tracks_no_choice() -> None:
    assert choose_tracks(Tracks([], [], 0), "largest", WH) == set()


def test_best_sightings_show_the_face_from_the_front() -> None:
    side, front = track(1, 0, 20, 300, 80, turn=0.9), track(1, 0, 20, 300, 80)
    points = np.concatenate([side.points_xy, front.points_xy])
    boxes = np.concatenate([side.boxes_xyxy, front.boxes_xyxy])
    both = Track(1, 5, points, points.copy(), boxes, np.full(40, 0.9), np.ones(40))
    found = best_detections(both, 3)
    assert len(found) == 3
    assert all(25 <= index < 45 for index, _ in found[:2])
    assert len({index for index, _ in found}) == 3


def test_best_sightings_are_never_bridged() -> None:
    seen = track(1, 0, 9, 300, 80)
    seen.raw_points_xy[:8] = np.nan
    assert [index for index, _ in best_detections(seen, 5)] == [8]
