"""The first pass over a video: face tracks and brightness."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..concurrency import in_background
from ..faces.detection import Detector
from ..settings import VideoSettings
from ..types import Float64Array
from .io.decode import read_frames
from .io.frames import Frame, VideoInfo
from .stabilisation.deflicker import corrections, measure
from .tracking.face_tracks import Tracks
from .tracking.tracker import FrameRecord, Tracker, build_tracks
from .work_folder import LineLog

#: Frames that wait to be searched.
QUEUE_DEPTH = 4
#: Last line of a complete log.
_END = "end"


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of the first pass.

    Attributes:
        tracks: The faces.
        n_frames: Frames in the chosen range.
        replaced: Frames among them that could not be decoded.
        corrections: (frames, 2), gain and offset that even out the brightness, if asked for.
    """

    tracks: Tracks
    n_frames: int
    replaced: int
    corrections: Float64Array | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """The findings of one frame: a line of the log."""

    record: FrameRecord
    replaced: bool
    light: Any

    def to_line(self) -> str:
        extra = json.dumps([self.replaced, self.light], separators=(",", ":"))
        return f"{self.record.to_json()}\t{extra}"

    @classmethod
    def from_line(cls, line: str) -> _Seen:
        record, _, extra = line.partition("\t")
        return cls(FrameRecord.from_json(record), *json.loads(extra))


def analyse(
    info: VideoInfo,
    detector: Detector,
    video: VideoSettings,
    log: LineLog,
    on_frame: Callable[[int], None],
    *,
    min_face: float = 0.0,
) -> Analysis:
    """Go through the video once; frames in the log are not analysed again.

    Raises:
        ReadError: The chosen range has no frames.
        WriteError: The log cannot be written.
    """
    log.mend()
    n_seen = sum(1 for line in log.lines() if line != _END)
    if not any(line == _END for line in log.lines()):
        tracker = Tracker(detector, fps=float(info.rate))
        with log.appending() as append:
            for seen in _look(info, tracker, video, n_seen, _logged(log)):
                append(seen.to_line())
                on_frame(seen.record.index + 1)
            append(_END)
    tracks = build_tracks(
        (seen.record for seen in _logged(log)),
        fps=float(info.rate),
        min_face=min_face,
        detector_name=detector.name,
    )
    replaced = sum(seen.replaced for seen in _logged(log))
    light = None
    if video.deflicker:
        light = corrections([seen.light for seen in _logged(log)], tracks.cuts)
    return Analysis(tracks, tracks.frames, replaced, light)


def _logged(log: LineLog) -> Iterator[_Seen]:
    return (_Seen.from_line(line) for line in log.lines() if line != _END)


def _look(
    info: VideoInfo, tracker: Tracker, video: VideoSettings, n_seen: int, seen: Iterable[_Seen]
) -> Generator[_Seen, None, None]:
    """Find the faces of the frames that were not seen yet."""
    tracker.replay(one.record for one in seen)
    start = max(0, n_seen - tracker.frames_back)
    frames = read_frames(info, start_s=video.start_s, end_s=video.end_s, from_index=start)
    with closing(in_background(_with_pixels(frames), QUEUE_DEPTH)) as decoded:
        for frame, pixels in decoded:
            if frame.index < n_seen:
                tracker.remember(frame.index, pixels)
                continue
            light = measure(pixels).round(5).tolist() if video.deflicker else None
            yield _Seen(tracker.look(frame.index, pixels), frame.replaced, light)


def _with_pixels(frames: Iterator[Frame]) -> Generator[tuple[Frame, Any], None, None]:
    for frame in frames:
        yield frame, frame.small(max(frame.size_wh))
