"""The faces of a video over time: what was seen in each frame, and the tracks made of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ReadError
from ...files import written_whole
from ...types import Face, Float64Array, FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

#: Version of the file that `Tracks.save` writes.
_FORMAT = 1
_ARRAYS = ("points_xy", "raw_points_xy", "boxes_xyxy", "scores", "opacity")  # in the order of Track


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face seen in one frame.

    Attributes:
        index: Number of the frame.
        box_xyxy: Box in frame pixels, not clipped to the frame.
        points_xy: (5, 2) float64, as in `gpen.types.Face`.
        score: Confidence in [0, 1].
    """

    index: int
    box_xyxy: tuple[float, float, float, float]
    points_xy: Float64Array
    score: float

    @property
    def face(self) -> Face:
        return Face(self.box_xyxy, self.points_xy, self.score)


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """What `gpen.video.tracking.tracker.Tracker` found in one frame; one line of a log.

    Attributes:
        index: Number of the frame.
        changes: How much the frame differs from the one before, the one before that, …; see
            `gpen.video.tracking.scenes.SceneChangeMeter`.
        searched: The whole frame was searched, not only regions around known faces.
        numbers: (faces, 17) float32, rounded: frame, tracklet, score, 4 of the box, 10 of the
            points. The frame is an earlier one where a face was followed back; a tracklet is a face
            followed from frame to frame, numbered from 1.
    """

    index: int
    changes: tuple[float, ...]
    searched: bool
    numbers: FloatArray

    @classmethod
    def of(
        cls,
        index: int,
        changes: tuple[float, ...],
        searched: bool,
        seen: Sequence[tuple[int, Detection]],
    ) -> Self:
        """A record of detections, each with its tracklet, rounded as in the log."""
        rows = [
            [s.index, tracklet, round(s.score, 4), *s.box_xyxy, *s.points_xy.ravel()]
            for tracklet, s in seen
        ]
        numbers = np.array(rows, np.float64).reshape(-1, 17)
        numbers[:, 3:] = np.round(numbers[:, 3:], 2)
        return cls(index, changes, searched, numbers.astype(np.float32))

    @property
    def seen(self) -> list[tuple[int, Detection]]:
        """Tracklets and their detections."""
        return [(int(row[1]), _detection(row)) for row in self.numbers.astype(np.float64)]

    def to_json(self) -> str:
        """The record as one line, without its end."""
        faces = [[int(r[0]), int(r[1]), *(float(f"{v:.4f}") for v in r[2:])] for r in self.numbers]
        return json.dumps(
            {
                "frame": self.index,
                "changes": list(self.changes),
                "searched": self.searched,
                "faces": faces,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read a line of `to_json`.

        Raises:
            ReadError: The line is none, or is cut short.
        """
        try:
            data = json.loads(line)
            numbers = np.array(data["faces"], np.float32).reshape(-1, 17)
            changes = tuple(float(change) for change in data["changes"])
            return cls(int(data["frame"]), changes, bool(data["searched"]), numbers)
        except (ValueError, KeyError, TypeError) as error:
            raise ReadError(
                f"a line of a log of faces is damaged ({error}); expected one frame as JSON: "
                "delete the log and run again"
            ) from error


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face of one frame, as its track has it.

    Attributes:
        track_id: Number of the track, from 1.
        face: Smoothed points and box.
        opacity: How much of the restored face to show, 0 to 1.
        bridged: The detector did not see the face in this frame.
    """

    track_id: int
    face: Face
    opacity: float
    bridged: bool


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face over the frames `first` to `first + N - 1`, never across a cut.

    Attributes:
        id: From 1, in the order of appearance.
        first: Number of the first frame.
        points_xy: (N, 5, 2) float64, smoothed.
        raw_points_xy: (N, 5, 2) as detected, NaN where bridged.
        boxes_xyxy: (N, 4) smoothed.
        scores: (N,) as detected, 0 where bridged.
        opacity: (N,) in [0, 1]; see `TrackedFace`.
    """

    id: int
    first: int
    points_xy: Float64Array
    raw_points_xy: Float64Array
    boxes_xyxy: Float64Array
    scores: Float64Array
    opacity: Float64Array

    @property
    def last(self) -> int:
        """Number of the last frame."""
        return self.first + len(self.scores) - 1

    @property
    def bridged(self) -> NDArray[np.bool_]:
        """(N,) where the detector did not see the face."""
        return np.isnan(self.raw_points_xy[:, 0, 0])

    @property
    def sizes(self) -> Float64Array:
        """(N,) longer side of the box, in pixels."""
        return sizes_of(self.boxes_xyxy)

    def at(self, index: int) -> TrackedFace | None:
        """The face in a frame, or None where the track is not there."""
        n = index - self.first
        if not 0 <= n < len(self.scores):
            return None
        x0, y0, x1, y1 = (float(v) for v in self.boxes_xyxy[n])
        face = Face((x0, y0, x1, y1), self.points_xy[n], float(self.scores[n]))
        return TrackedFace(self.id, face, float(self.opacity[n]), bool(self.bridged[n]))


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """All faces of a video.

    Attributes:
        tracks: In the order of their ids.
        cuts: First frames of all shots but the first, ascending.
        frames: Frames that were looked at.
    """

    tracks: Sequence[Track]
    cuts: Sequence[int] = ()
    frames: int = 0
    _by_block: dict[int, list[Track]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Note which tracks each block of 256 frames has, so that `at` need not ask them all."""
        for track in self.tracks:
            for block in range(track.first >> 8, (track.last >> 8) + 1):
                self._by_block.setdefault(block, []).append(track)

    def at(self, index: int) -> list[TrackedFace]:
        """The faces of a frame, in the order of their tracks; from many tracklets."""
        found = (track.at(index) for track in self._by_block.get(index >> 8, ()))
        return [face for face in found if face is not None]

    def by_id(self, track_id: int) -> Track | None:
        return next((track for track in self.tracks if track.id == track_id), None)

    def shots(self) -> list[range]:
        edges = [0, *self.cuts, self.frames]
        return [range(a, b) for a, b in pairwise(edges)]

    def save(self, path: Path) -> None:
        """Write a `.npz` file, whole or not at all.

        Raises:
            WriteError: The folder is missing, not writable or full.
        """
        arrays: dict[str, Any] = {"format": _FORMAT, "frames": self.frames}
        arrays["cuts"] = np.array(self.cuts, np.int64)
        arrays["spans"] = np.array([[t.id, t.first, len(t.scores)] for t in self.tracks], np.int64)
        for name in _ARRAYS:
            parts = [getattr(track, name) for track in self.tracks]
            arrays[name] = np.concatenate(parts) if parts else np.zeros(0)
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        with written_whole(path) as temporary:
            temporary.write_bytes(content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of `save`.

        Raises:
            ReadError: It is missing, damaged or of another version.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                version = int(data["format"])
                columns = [data[name] for name in _ARRAYS]
                tracks, start = [], 0
                for number, first, length in data["spans"].reshape(-1, 3):
                    parts = [column[start : start + length] for column in columns]
                    tracks.append(Track(int(number), int(first), *parts))
                    start += length
                read = cls(tracks, [int(cut) for cut in data["cuts"]], int(data["frames"]))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
            raise ReadError(
                f"cannot read the tracks in {path} ({error}); expected a file that gpen wrote: "
                "delete it and run again",
                path=path,
            ) from error
        if version != _FORMAT:
            raise ReadError(
                f"{path} is of version {version}; expected {_FORMAT}: delete it and run again",
                path=path,
            )
        return read


def sizes_of(boxes_xyxy: Float64Array) -> Float64Array:
    """(N,) longer sides of boxes (N, 4)."""
    sizes: Float64Array = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max(axis=1)
    return sizes


def _detection(row: Float64Array) -> Detection:
    x0, y0, x1, y1 = (float(v) for v in row[3:7])
    return Detection(int(row[0]), (x0, y0, x1, y1), row[7:].reshape(5, 2), float(row[2]))
