"""The result of restoring a video: file, tracks, timings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

#: Called with the stage ("faces", "frames" or "joining"), frames done and frames in all, if known.
OnProgress = Callable[[str, int, int | None], None]


@dataclass(slots=True)
class VideoResult:
    """The result of restoring one video.

    Attributes:
        path: The file written, or the pattern of its frames.
        frames: Frames written.
        faces: Faces restored, summed over all frames.
        people: Tracks that were restored.
        found: Tracks in all.
        replaced: Frames that could not be decoded; each shows its neighbour.
        resumed: Frames taken over from an earlier run that was stopped.
        notes: One line for everything the user should know about the video.
        seconds: Wall-clock time by step: faces (finding them), frames (restoring them), network
            (its share of frames), joining.
    """

    path: Path
    frames: int = 0
    faces: int = 0
    people: int = 0
    found: int = 0
    replaced: int = 0
    resumed: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
