"""Links tracklets to tracks: cut at scene changes, gaps bridged, smoothed, faded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...types import Float64Array, FloatArray
from .face_tracks import Detection, FrameRecord, Track, Tracks
from .fading import fade
from .scenes import find_cuts, flash_frames
from .smoothing import smooth_points, smooth_values
from .tracklets import middle_and_size

#: The longest gap that is bridged, in seconds.
GAP_S = 0.5
#: Across a gap, a face may be this far from where its speed carries it, in its sizes.
GAP_REACH = 0.8
#: Steps between frames of a face that is no other face: in sizes, and the ratio of sizes.
STEP_REACH, STEP_RATIO = 1.2, 1.7
#: The shortest track, in seconds and in detections, where its shot is longer.
SHORTEST_S, FEWEST = 0.2, 3
#: Least share of the frames of a track in which it was seen.
SEEN_SHARE = 0.4
#: What the best quarter of a track's scores must reach on average: what looks like a face by
#: chance hardly ever does so for certain. By detector, since each has its own idea of a score; that
#: of gpen is a probability.
SURE = {"gpen-detector": 0.95}
SURE_OF_OTHERS = 0.6


@dataclass(frozen=True, slots=True)
class _Shot:
    """A shot: its first frame and the first after it."""

    first: int
    end: int


def build_tracks(
    records: Iterable[FrameRecord],
    *,
    fps: float = 25.0,
    min_face: float = 0.0,
    detector_name: str = "gpen-detector",
) -> Tracks:
    """Make tracks of all records of a video.

    Args:
        records: In the order of their frames, from 0; may be a generator that reads a log.
        fps: Frames per second, the mean where it varies.
        min_face: A face is faded out while its box is smaller than this many pixels.
        detector_name: `Detector.name` of what the scores come from.
    """
    tracklets: dict[int, bytearray] = {}  # packed: a film has hundreds of thousands of detections
    changes: list[tuple[float, ...]] = []
    for record in records:
        changes.append(record.changes)
        for row in record.numbers:
            tracklets.setdefault(int(row[1]), bytearray()).extend(row.tobytes())
    cuts = find_cuts(_table(changes, flash_frames(fps)))
    sure = SURE.get(detector_name, SURE_OF_OTHERS)
    edges = [0, *cuts, len(changes)]
    shots = [_Shot(a, b) for a, b in pairwise(edges)]
    tracks = []
    for packed in tracklets.values():
        numbers = np.frombuffer(packed, np.float32).reshape(-1, 17)
        detections = [s for _, s in FrameRecord(0, (), False, numbers).seen]
        for part in _parts(detections, cuts, fps):
            shot = next(s for s in shots if s.first <= part[0].index < s.end)
            if _is_kept(part, shot, fps, sure):
                tracks.append(_track(part, shot, fps, min_face))
    tracks.sort(key=lambda track: (track.first, -track.sizes[0]))
    numbered = [replace(track, id=n) for n, track in enumerate(tracks, 1)]
    return Tracks(numbered, cuts, len(changes))


def _table(changes: Sequence[tuple[float, ...]], memory: int) -> FloatArray:
    table = np.full((len(changes), memory), np.nan, np.float32)
    for row, values in zip(table, changes, strict=True):
        row[: len(values)] = values[:memory]
    return table


def _parts(
    detections: Sequence[Detection], cuts: Sequence[int], fps: float
) -> list[list[Detection]]:
    """One tracklet as runs of detections that are the same face, without a cut or a long gap."""
    starts = set(cuts)
    parts: list[list[Detection]] = []
    for detection in sorted(detections, key=lambda s: s.index):
        part = parts[-1] if parts else []
        between = range(part[-1].index + 1, detection.index + 1) if part else range(0)
        if (
            not part
            or len(between) - 1 > GAP_S * fps
            or not starts.isdisjoint(between)
            or not _continues(part, detection)
        ):
            parts.append([detection])
        else:
            part.append(detection)
    return parts


def _continues(part: Sequence[Detection], detection: Detection) -> bool:
    """Whether a detection is where the last ones lead."""
    before, last = part[-min(len(part), 4)], part[-1]
    middle, size = middle_and_size(last.box_xyxy)
    next_middle, next_size = middle_and_size(detection.box_xyxy)
    larger = max(size, next_size)
    if larger / min(size, next_size) > STEP_RATIO:
        return False
    gap = detection.index - last.index
    if gap == 1:
        return float(np.hypot(*(next_middle - middle))) < STEP_REACH * larger
    speed = np.zeros(2)
    if last.index > before.index:
        speed = (middle - middle_and_size(before.box_xyxy)[0]) / (last.index - before.index)
    # It may as well have stopped, or anything between.
    along = np.linspace(0, 1, 5)[:, None] * speed * gap + middle
    return float(np.hypot(*(next_middle - along).T).min()) < GAP_REACH * larger


def _is_kept(part: Sequence[Detection], shot: _Shot, fps: float, sure: float) -> bool:
    """Whether detections are many and sure enough to be a face."""
    length = part[-1].index - part[0].index + 1
    shortest = min(max(FEWEST, round(SHORTEST_S * fps)), shot.end - shot.first)
    if length < shortest or len(part) < max(1, min(FEWEST, shortest)):
        return False
    best = sorted((s.score for s in part), reverse=True)[: math.ceil(len(part) / 4)]
    return len(part) >= SEEN_SHARE * length and float(np.mean(best)) >= sure


def _track(part: Sequence[Detection], shot: _Shot, fps: float, min_face: float) -> Track:
    first, length = part[0].index, part[-1].index - part[0].index + 1
    raw = np.full((length, 5, 2), np.nan)
    boxes, scores = np.full((length, 4), np.nan), np.zeros(length)
    for detection in part:
        n = detection.index - first
        raw[n], boxes[n], scores[n] = detection.points_xy, detection.box_xyxy, detection.score
    points = smooth_points(raw, scores, fps)
    boxes = _boxes(boxes, points, scores, fps)
    opacity = fade(
        scores,
        (boxes[:, 2:] - boxes[:, :2]).max(axis=1),
        min_face,
        fps,
        fade_in=first > shot.first,
        fade_out=first + length < shot.end,
    )
    return Track(0, first, points, raw, boxes, scores, opacity)


def _boxes(
    boxes: Float64Array, points_xy: Float64Array, scores: Float64Array, fps: float
) -> Float64Array:
    """Boxes (N, 4) smoothed against the points, with which they move."""
    middle = points_xy.mean(axis=1)
    reach = np.hypot(*np.moveaxis(points_xy - middle[:, None], 2, 0)).mean(axis=1) + 1e-6
    relative = (boxes - np.tile(middle, 2)) / reach[:, None]
    smoothed = smooth_values(relative, scores, fps)
    result: Float64Array = smoothed * reach[:, None] + np.tile(middle, 2)
    return result
