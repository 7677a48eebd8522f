"""Tracklets: faces followed from frame to frame, their motion model and matching."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...types import Face, Float64Array
from .face_tracks import Detection, FrameRecord

#: A face may lie this far from where it was expected: distance in face sizes plus the logarithm of
#: the ratio of sizes.
GATE = 0.9
#: How much of the newest step goes into the speed.
SPEED_GAIN = 0.5
#: A lost tracklet triggers a search of the whole frame from this many detections on, and if it was
#: seen in this share of its frames: what only sometimes looks like a face would cost too much.
TRUSTED, STEADY = 3, 0.8


@dataclass(slots=True)
class Tracklet:
    """A face that is being followed.

    Attributes:
        number: From 1.
        middle_xy: Middle of the newest box, (2,).
        size: Square root of its area.
        speed_xy: Pixels per frame, (2,).
        first: Frame of the first detection.
        last: Frame of the newest detection.
        count: Detections.
    """

    number: int
    middle_xy: Float64Array
    size: float
    speed_xy: Float64Array
    first: int
    last: int
    count: int = 1

    @property
    def trusted(self) -> bool:
        """Whether it is worth a search when it is lost."""
        return self.count >= max(TRUSTED, STEADY * (self.last - self.first + 1))

    def expected_xy(self, index: int) -> Float64Array:
        """Where the middle of its box should be in a frame."""
        return self.middle_xy + self.speed_xy * (index - self.last)

    def follow(self, detection: Detection) -> None:
        """Take a detection later than all before."""
        middle, size = middle_and_size(detection.box_xyxy)
        step = (middle - self.middle_xy) / (detection.index - self.last)
        self.speed_xy = self.speed_xy + SPEED_GAIN * (step - self.speed_xy)
        self.middle_xy, self.size, self.last = middle, size, detection.index
        self.count += 1


class Tracklets:
    """All tracklets; changed by records only, so that a replayed log leads to the same state."""

    def __init__(self, patience: int) -> None:
        """Give a tracklet up when its face was not seen for more than `patience` frames."""
        self._patience = patience
        self.living: list[Tracklet] = []
        self.next_number = 1

    def take(self, record: FrameRecord) -> None:
        """Follow the faces of the next record."""
        known = {tracklet.number: tracklet for tracklet in self.living}
        for number, detection in record.seen:
            if detection.index != record.index:
                continue  # an earlier frame of a tracklet that begins in this record
            if number in known:
                known[number].follow(detection)
                continue
            middle, size = middle_and_size(detection.box_xyxy)
            self.living.append(
                Tracklet(number, middle, size, np.zeros(2), record.index, record.index)
            )
            self.next_number = max(self.next_number, number + 1)
        self.living = [t for t in self.living if record.index - t.last <= self._patience]

    def lost(self, index: int, seen: set[int]) -> bool:
        """Whether a trusted tracklet has just lost its face: 1, 2, 4, … frames ago."""
        gone = (index - t.last for t in self.living if t.number not in seen and t.trusted)
        return any(frames & (frames - 1) == 0 for frames in gone)


def middle_and_size(box_xyxy: Sequence[float]) -> tuple[Float64Array, float]:
    """Middle (2,) and size (square root of the area) of a box."""
    x0, y0, x1, y1 = box_xyxy
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), math.sqrt(max((x1 - x0) * (y1 - y0), 1.0))


def distance(middle_xy: Float64Array, size: float, face: Face) -> float:
    """How far a face is from where one was expected; below `GATE` it may be the same."""
    other_xy, other_size = middle_and_size(face.box_xyxy)
    away = float(np.hypot(*(other_xy - middle_xy))) / max(size, other_size)
    return away + abs(math.log(other_size / size))


def match(tracklets: Sequence[Tracklet], faces: Sequence[Face], index: int) -> dict[int, int]:
    """Which face continues which tracklet: the nearest pairs first.

    Returns:
        Position in `faces` → position in `tracklets`.
    """
    pairs = sorted(
        (distance(tracklet.expected_xy(index), tracklet.size, face), t, f)
        for t, tracklet in enumerate(tracklets)
        for f, face in enumerate(faces)
    )
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for away, t, f in pairs:
        if away < GATE and t not in taken and f not in matched:
            matched[f] = t
            taken.add(t)
    return matched
