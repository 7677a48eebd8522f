"""Selects the tracks to restore, and the frames in which a track shows its face best.

What is restored is decided over whole shots, so that no face comes and goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from ...errors import SettingsError
from ...types import Face, Float64Array
from .face_tracks import Track, Tracks

#: Tracks of a shot that follow one another are one face lost for a while where their sizes differ
#: by less than this factor, and they end and begin less than this many sizes apart.
SAME_RATIO, SAME_REACH = 1.6, 2.0


def choose_tracks(
    tracks: Tracks,
    which: str,
    size_wh: tuple[int, int],
    *,
    min_face: float = 0.0,
    like: Callable[[Track], bool] | None = None,
) -> set[int]:
    """Numbers of the tracks to restore.

    Args:
        tracks: All tracks of a video.
        which: "all"; "largest", "left", "right" or "center", each shot having its own; numbers from
            0 such as "0,2" in each shot, largest first; "track:1,3" by number of the track; or
            "like:…", which asks `like`.
        size_wh: Width and height of a frame, in pixels.
        min_face: Tracks whose face is always smaller than this many pixels are left out.
        like: Whether a track shows the person asked for.

    Raises:
        SettingsError: `which` means nothing.
    """
    big = [track for track in tracks.tracks if track.sizes.max() >= min_face]
    if which == "all":
        return {track.id for track in big}
    if re.fullmatch(r"track:\d+(,\d+)*", which):
        wanted = {int(number) for number in which.removeprefix("track:").split(",")}
        return {track.id for track in big if track.id in wanted}
    if which.startswith("like:") and like is not None:
        return {track.id for track in big if like(track)}
    if which not in ("largest", "left", "right", "center") and not re.fullmatch(
        r"\d+(,\d+)*", which
    ):
        raise SettingsError(
            f"faces is {which!r}; expected all, largest, left, right, center, numbers such as 0,2 "
            "or track:1,3"
        )
    chosen: set[int] = set()
    for shot in tracks.shots():
        inside = [track for track in big if track.first in shot]
        chosen |= _of_shot(inside, which, size_wh)
    return chosen


def best_detections(track: Track, count: int) -> list[tuple[int, Face]]:
    """The frames in which a track shows its face best, best first.

    Large, sure, seen from the front and at rest, and spread over the track.

    Returns:
        Up to `count` frame numbers, each with the face there; at least one.
    """
    quality = np.where(track.bridged, -1.0, _quality(track))
    apart = len(quality) // (2 * count)
    found: list[tuple[int, Face]] = []
    while len(found) < count and quality.max() > 0:
        best = int(quality.argmax())
        face = track.at(track.first + best)
        if face is not None:
            found.append((track.first + best, face.face))
        quality[max(0, best - apart) : best + apart + 1] = -1
    return found


def _of_shot(tracks: Sequence[Track], which: str, size_wh: tuple[int, int]) -> set[int]:
    """The wanted tracks of one shot."""
    people = _people(tracks)
    if not people:
        return set()
    middles = [_middle(person) for person in people]
    if which == "largest":
        wanted = [0]
    elif which in ("left", "right"):
        order = sorted(range(len(people)), key=lambda n: float(middles[n][0]))
        wanted = [order[0 if which == "left" else -1]]
    elif which == "center":
        centre = (np.asarray(size_wh) - 1) / 2
        wanted = [min(range(len(people)), key=lambda n: float(np.hypot(*(middles[n] - centre))))]
    else:
        wanted = [int(number) for number in which.split(",") if int(number) < len(people)]
    return {track.id for n in wanted for track in people[n]}


def _people(tracks: Sequence[Track]) -> list[list[Track]]:
    """Tracks of a shot that are the same face, put together; the largest face first."""
    people: list[list[Track]] = []
    for track in sorted(tracks, key=lambda t: t.first):
        before = [p for p in people if _goes_on(p[-1], track)]
        if before:
            nearest = max(before, key=lambda p: p[-1].last)
            nearest.append(track)
        else:
            people.append([track])
    # Over time, so that who passes in front for a moment is not the largest.
    return sorted(people, key=lambda person: -sum(float(t.sizes.sum()) for t in person))


def _goes_on(one: Track, other: Track) -> bool:
    """Whether the second track is the face of the first, after it was lost."""
    if other.first <= one.last:
        return False
    sizes = float(one.sizes[-1]), float(other.sizes[0])
    away = float(np.hypot(*(other.points_xy[0] - one.points_xy[-1]).mean(axis=0)))
    return max(sizes) < SAME_RATIO * min(sizes) and away < SAME_REACH * max(sizes)


def _middle(person: Sequence[Track]) -> Float64Array:
    """Where a face is on average, (2,)."""
    middle: Float64Array = np.concatenate([track.points_xy for track in person]).mean(axis=(0, 1))
    return middle


def _quality(track: Track) -> Float64Array:
    """(N,) above 0, larger where a face is better to recognise."""
    points = track.points_xy
    eyes = points[:, 1] - points[:, 0]
    distance = np.hypot(*eyes.T) + 1e-6
    off = np.abs(((points[:, 2] - (points[:, 0] + points[:, 1]) / 2) * eyes).sum(axis=1))
    # How far the nose is from the middle line, in eye distances.
    frontal = np.exp(-4 * off / distance**2)
    middle = points.mean(axis=1)
    speed = np.hypot(*np.gradient(middle, axis=0).T) if len(middle) > 1 else np.zeros(1)
    still = 1 / (1 + 10 * speed / track.sizes)
    quality: Float64Array = np.maximum(track.scores, 1e-3) * track.sizes * frontal * still
    return quality
