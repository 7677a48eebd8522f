"""Selects tracks by identity ("like:PHOTO"), and finds the best frames of tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..pipeline import Restorer
from ..settings import VideoSettings
from ..types import Face, FloatArray, Pixels
from .io.decode import read_frames
from .io.frames import VideoInfo
from .tracking.face_tracks import Track, Tracks
from .tracking.track_selection import best_detections, choose_tracks

#: Frames by which a track is compared with an image.
LOOKS = 3


def chosen_tracks(
    tracks: Tracks, info: VideoInfo, video: VideoSettings, restorer: Restorer
) -> set[int]:
    """Numbers of the tracks that `Settings.faces` means.

    Raises:
        UnknownModelError: "like:PHOTO" needs the file of `Settings.embedding`, and there is none.
        ReadError: The photo cannot be read.
        DetectionError: It shows no face.
    """
    settings = restorer.settings
    alike: set[int] = set()
    if settings.faces.startswith("like:"):
        alike = _alike(tracks, info, video, restorer)
    return choose_tracks(
        tracks,
        settings.faces,
        info.shown_size_wh,
        min_face=settings.min_face,
        like=lambda track: track.id in alike,
    )


def unknown_numbers(tracks: Tracks, which: str) -> str | None:
    """A remark if `Settings.faces` names tracks that the video does not have."""
    if not which.startswith("track:"):
        return None
    known = {track.id for track in tracks.tracks}
    wanted = {int(number) for number in which.removeprefix("track:").split(",")}
    if wanted <= known:
        return None
    missing = ", ".join(str(number) for number in sorted(wanted - known))
    there = f"it has 1 to {max(known)}" if known else "no face was found"
    return (
        f"the video has no track {missing}: {there} (`gpen tracks` with the same range lists them)"
    )


def _alike(tracks: Tracks, info: VideoInfo, video: VideoSettings, restorer: Restorer) -> set[int]:
    """Tracks whose mean vector is that of the person on the image."""
    wanted = restorer.person
    vectors: dict[int, list[FloatArray]] = {}
    for track_id, pixels, face in best_frames(tracks.tracks, info, video, LOOKS):
        vector = restorer.identity.embed(pixels, face.points_xy)
        vectors.setdefault(track_id, []).append(vector)
    measure = restorer.identity.measure
    return {
        track_id
        for track_id, found in vectors.items()
        if measure.is_same_person(np.mean(found, axis=0), wanted)
    }


def best_frames(
    tracks: Sequence[Track], info: VideoInfo, video: VideoSettings, count: int
) -> Iterator[tuple[int, Pixels, Face]]:
    """The frames that show each track best: its number, the frame's RGB pixels and the face.

    In the order of the frames; the video is read once, up to the last of them.
    """
    wanted: dict[int, list[tuple[int, Face]]] = {}
    for track in tracks:
        for index, face in best_detections(track, count):
            wanted.setdefault(index, []).append((track.id, face))
    if not wanted:
        return
    last = max(wanted)
    for frame in read_frames(info, start_s=video.start_s, end_s=video.end_s):
        if frame.index in wanted:
            pixels = frame.pixels()
            for track_id, face in wanted[frame.index]:
                yield track_id, pixels, face
        if frame.index == last:
            return
