"""Faces are followed over a video: one track each, the same after a break, cut at cuts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpen.errors import ReadError, SettingsError, WriteError
from gpen.faces.detection import load_detector
from gpen.images.read import read_image
from gpen.video.tracking.face_tracks import Detection, Tracks
from gpen.video.tracking.tracker import FrameRecord, Tracker, build_tracks
from support.moving_faces import FRAME_WH, DiscDetector, frame_with

FPS = 24.0


def swaying(count: int) -> list[np.ndarray]:
    """Two faces that sway, one of which enters in frame 13."""
    return [
        frame_with(
            [(80 + 0.8 * n, 90 + 10 * np.sin(n / 6), 40)]
            + ([(270 - 0.5 * n, 60, 24)] if n >= 13 else [])
        )
        for n in range(count)
    ]


def records_of(frames: list[np.ndarray], detector: DiscDetector | None = None) -> list[FrameRecord]:
    tracker = Tracker(detector or DiscDetector(0.01), fps=FPS)
    return [tracker.look(n, frame) for n, frame in enumerate(frames)]


def tracks_of(frames: list[np.ndarray], **options: float) -> Tracks:
    return build_tracks(records_of(frames), fps=FPS, detector_name="discs", **options)


def test_each_face_is_one_track_from_its_first_frame_to_its_last() -> None:
    tracks = tracks_of(swaying(50))
    spans = [(t.id, t.first, t.last) for t in tracks.tracks]
    assert spans == [(1, 0, 49), (2, 13, 49)]
    middle = tracks.at(20)[0].face.points_xy.mean(axis=0)
    assert np.abs(middle - [96, 90 + 10 * np.sin(20 / 6)]).max() < 4


def test_the_whole_frame_is_searched_now_and_then_only() -> None:
    detector = DiscDetector()
    records = records_of(swaying(50), detector)
    whole = sum(pixels == FRAME_WH[0] * FRAME_WH[1] for pixels in detector.seen_pixels)
    assert whole == sum(record.searched for record in records)
    assert whole <= 50 / 8 + 3


def test_a_small_frame_full_of_faces_is_searched_whole() -> None:
    discs = [(40.0 + 70 * k, 60.0 + 60 * (k % 2), 26.0) for k in range(4)]
    detector = DiscDetector()
    wh = (320, 180)
    frames = [
        frame_with([(x + n / 2, y, size) for x, y, size in discs], size_wh=wh) for n in range(30)
    ]
    records = records_of(frames, detector)
    assert len(detector.seen_pixels) < 60  # not a region for each face of each frame
    tracks = build_tracks(records, fps=FPS, detector_name="discs")
    assert [(t.first, t.last) for t in tracks.tracks] == [(0, 29)] * 4


def test_a_log_read_back_leads_to_the_same_tracks() -> None:
    records = records_of(swaying(40))
    again = [FrameRecord.from_json(record.to_json()) for record in records]
    assert [r.to_json() for r in again] == [r.to_json() for r in records]
    one, other = (build_tracks(rs, fps=FPS, detector_name="discs") for rs in (records, again))
    for a, b in zip(one.tracks, other.tracks, strict=True):
        np.testing.assert_array_equal(a.points_xy, b.points_xy)


@pytest.mark.parametrize("broken_at", [0, 1, 7, 13, 15, 16, 17, 30])
def test_after_a_break_everything_goes_on_as_if_there_had_been_none(broken_at: int) -> None:
    frames = swaying(40)
    lines = [record.to_json() for record in records_of(frames)]
    tracker = Tracker(DiscDetector(0.01), fps=FPS)
    next_index = tracker.replay(FrameRecord.from_json(line) for line in lines[:broken_at])
    assert next_index == broken_at
    for n in range(max(0, broken_at - tracker.frames_back), broken_at):
        tracker.remember(n, frames[n])
    rest = [tracker.look(n, frames[n]).to_json() for n in range(broken_at, 40)]
    assert rest == lines[broken_at:]


def test_a_new_face_is_followed_back_to_where_it_appeared() -> None:
    record = next(r for r in records_of(swaying(40)) if len(r.numbers) > 2)
    assert record.index > 13
    assert min(s.index for _, s in record.seen) == 13


def test_tracks_end_at_a_cut_even_where_a_face_is_in_the_same_place() -> None:
    frames = [frame_with([(100, 90, 40)], seed=n // 20) for n in range(40)]
    tracks = tracks_of(frames)
    assert list(tracks.cuts) == [20]
    assert [(t.first, t.last) for t in tracks.tracks] == [(0, 19), (20, 39)]
    assert all(t.opacity.min() == 1 for t in tracks.tracks)
    assert tracks.shots() == [range(20), range(20, 40)]


def test_a_flash_ends_no_track() -> None:
    frames = [frame_with([(100, 90, 40)]) for n in range(40)]
    frames[20] = np.full_like(frames[20], 255)
    tracks = tracks_of(frames)
    assert [(t.first, t.last) for t in tracks.tracks] == [(0, 39)]
    assert np.flatnonzero(tracks.tracks[0].bridged).tolist() == [20]


def test_a_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    def hidden(gap: range) -> Tracks:
        return tracks_of(
            [frame_with([] if n in gap else [(60 + 2 * n, 90, 30)]) for n in range(70)]
        )

    (bridged,) = hidden(range(30, 36)).tracks
    assert bridged.bridged.sum() == 6
    assert abs(bridged.points_xy[33].mean(axis=0)[0] - 126) < 4
    assert len(hidden(range(30, 50)).tracks) == 2


def test_a_face_that_is_elsewhere_after_a_gap_is_another() -> None:
    frames = [
        frame_with([] if 30 <= n < 34 else [(60 if n < 30 else 150, 90, 40)]) for n in range(60)
    ]
    assert len(tracks_of(frames).tracks) == 2


def test_faces_that_pass_each_other_keep_their_numbers() -> None:
    frames = [frame_with([(40 + 5 * n, 60, 40), (280 - 5 * n, 110, 38)]) for n in range(48)]
    tracks = tracks_of(frames)
    assert len(tracks.tracks) == 2
    assert all(np.ptp(t.points_xy[:, :, 1].mean(axis=1)) < 5 for t in tracks.tracks)


def test_faces_fade_in_and_out_except_at_the_ends_of_the_clip() -> None:
    frames = [frame_with([(100, 90, 30)] if n < 60 else []) for n in range(90)]
    (seen,) = tracks_of(frames).tracks
    assert seen.opacity[0] == 1
    assert seen.opacity[-1] < 0.15
    assert np.abs(np.diff(seen.opacity)).max() < 0.3


def test_a_shrinking_face_fades_out_and_does_not_flicker() -> None:
    random = np.random.default_rng(0)
    sizes = 50 - 0.4 * np.arange(80) + random.normal(0, 0.7, 80)
    frames = [frame_with([(100, 90, size)]) for size in sizes]
    (seen,) = tracks_of(frames, min_face=35).tracks
    assert seen.opacity[0] == 1
    assert seen.opacity[-1] == 0
    assert (np.diff(seen.opacity) <= 1e-9).all()


def test_what_is_seen_for_a_moment_or_never_for_sure_is_no_face() -> None:
    moment = [frame_with([(100, 90, 40)] if 20 <= n < 22 else []) for n in range(40)]
    assert not tracks_of(moment).tracks
    unsure = build_tracks(records_of(swaying(30)), fps=FPS, detector_name="gpen-detector")
    assert not unsure.tracks  # a score of 0.9 is little for that detector


def test_a_clip_of_one_frame_has_its_face() -> None:
    (seen,) = tracks_of([frame_with([(100, 90, 40)])]).tracks
    assert (seen.first, seen.last, seen.opacity.tolist()) == (0, 0, [1.0])


def test_a_shrunk_picture_gives_points_of_the_frame() -> None:
    frame = frame_with([(200, 100, 60)], size_wh=(640, 360))
    small = np.ascontiguousarray(
        frame.reshape(180, 2, 320, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    )
    record = Tracker(DiscDetector(), fps=FPS).look(0, small, scale=0.5)
    ((_, detection),) = record.seen
    x0, y0, x1, y1 = detection.box_xyxy
    assert np.abs(np.array([x0 + x1, y0 + y1]) / 2 - [200, 100]).max() < 2


def test_tracks_are_saved_whole_and_read_back(tmp_path: Path) -> None:
    tracks = tracks_of(swaying(40))
    tracks.save(tmp_path / "faces.npz")
    again = Tracks.load(tmp_path / "faces.npz")
    assert (list(again.cuts), again.frames) == (list(tracks.cuts), 40)
    for n in range(40):
        for a, b in zip(tracks.at(n), again.at(n), strict=True):
            assert (a.track_id, a.opacity, a.bridged) == (b.track_id, b.opacity, b.bridged)
            np.testing.assert_array_equal(a.face.points_xy, b.face.points_xy)
    Tracks([], [], 3).save(tmp_path / "none.npz")
    assert Tracks.load(tmp_path / "none.npz").tracks == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "faces.npz"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="cannot read the tracks") as caught:
        Tracks.load(path)
    assert "\n" not in str(caught.value)


def test_nothing_is_left_where_the_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WriteError):
        Tracks([], [], 0).save(tmp_path / "none" / "faces.npz")


@pytest.mark.parametrize("line", ["", "{", "[]", '{"frame":1}', '{"frame":1,"faces":[[1,2]]}'])
def test_a_damaged_line_is_refused(line: str) -> None:
    with pytest.raises(ReadError, match="log of faces"):
        FrameRecord.from_json(line)


def test_a_frame_rate_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="fps"):
        Tracker(DiscDetector(), fps=0)


def test_a_sighting_is_a_face() -> None:
    detection = Detection(3, (0.0, 1.0, 20.0, 31.0), np.zeros((5, 2)), 0.5)
    assert replace(detection, index=4).face.size_px == 30


def test_the_own_detector_follows_a_real_face(portrait: Path) -> None:
    photo = read_image(portrait).pixels.astype(np.uint8)
    tracker = Tracker(load_detector(), fps=FPS)
    frames = [np.ascontiguousarray(photo[:460, 2 * n : 2 * n + 460]) for n in range(12)]
    (seen,) = build_tracks([tracker.look(n, f) for n, f in enumerate(frames)], fps=FPS).tracks
    way = np.diff(seen.points_xy.mean(axis=1), axis=0)
    assert (seen.first, seen.last) == (0, 11)
    assert np.abs(way - [-2, 0]).max() < 0.5
