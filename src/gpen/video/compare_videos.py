"""Compares two videos in one: side by side, or with a moving divider."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

import numpy as np

from ..errors import OutputExistsError, ReadError
from ..images import transforms
from ..images.tones import in_depth_of
from ..images.write import write_image
from ..types import Image, Pixels
from .io.decode import open_video, read_frames
from .io.frames import Frame, VideoInfo, whole_frame
from .io.muxing import check_target, join_segments
from .io.segment_writer import Encoding, SegmentWriter, write_errors
from .io.target_checks import check_apart

Layout = Literal["side", "wipe"]

#: Seconds in which the line of a wipe goes to the right and back.
WIPE_S = 4.0
#: Width of the line, as a share of the image's.
LINE = 1 / 400


def compare_videos(
    first: Path,
    second: Path,
    target: Path,
    *,
    layout: Layout = "side",
    stills: int = 0,
    overwrite: bool = False,
    on_frame: Callable[[int], None] = lambda _: None,
) -> int:
    """Put two videos into one, frame by frame from their beginnings, with the first one's sound.

    The second takes the size of the first where they differ.

    Args:
        first: A video, usually the input.
        second: Another, usually the result.
        target: A .mp4, .mkv, .mov or .webm file.
        layout: "side": the first to the left of the second; "wipe": one image, the first to the
            left of a moving line.
        stills: So many moments, evenly spaced, also go into `<stem>_stills.png`: the first video
            above the second.
        overwrite: Replace the target if it is there.
        on_frame: Called with the number of frames done.

    Returns:
        Frames written: as many as the shorter video has.

    Raises:
        ReadError: One of them is no video.
        OutputExistsError: The target or the strip is there and `overwrite` is false.
        SettingsError: The target is one of the videos, or no video that can be written.
        WriteError: The target cannot be written.
    """
    strip_path = target.with_name(f"{target.stem}_stills.png") if stills else None
    _check_targets(first, second, target, strip_path, overwrite=overwrite)
    one, other = open_video(first), open_video(second)
    moments = _moments(one, other, stills)
    kept: dict[int, Pixels] = {}
    n_frames = 0
    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(prefix=".gpen-", dir=target.parent)
    with work as folder:
        part = Path(folder) / "all.part"
        writer: SegmentWriter | None = None
        for frame, before, after in _pairs(one, other):
            joined = whole_frame(frame, _laid_out(before, after, layout, frame.time_s))
            writer = writer or SegmentWriter(part, joined, Encoding.for_target(target))
            writer.write(joined)
            if frame.index in moments:
                kept[frame.index] = cast("Pixels", np.vstack([before, after]))
            n_frames += 1
            on_frame(n_frames)
        if writer is None:
            raise ReadError(f"{first} and {second} have no frames in common", path=first)
        writer.close()
        join_segments([part], one, target, partial=True, overwrite=overwrite)
    if kept and strip_path:
        strip = cast("Pixels", np.hstack(list(kept.values())))
        write_image(Image(strip), strip_path, overwrite=overwrite)
    return n_frames


def _check_targets(
    first: Path, second: Path, target: Path, strip: Path | None, *, overwrite: bool
) -> None:
    """Check the targets before the work."""
    for source in (first, second):
        check_apart(source, target)
    check_target(target, overwrite=overwrite)
    if strip is not None and strip.exists() and not overwrite:
        raise OutputExistsError(
            f"{strip} is already there; choose another name or allow overwriting", path=strip
        )


def _pairs(one: VideoInfo, other: VideoInfo) -> Iterator[tuple[Frame, Pixels, Pixels]]:
    """Frames of the first with the pixels of both, in the size and depth of the first."""
    for frame, twin in zip(read_frames(one), read_frames(other), strict=False):
        before = frame.pixels()
        after = in_depth_of(twin.pixels(), before.dtype)
        yield frame, before, transforms.resize(after, frame.size_wh)


def _moments(one: VideoInfo, other: VideoInfo, stills: int) -> set[int]:
    """Numbers of the frames that go into the strip of stills."""
    counts = [info.frame_count for info in (one, other) if info.frame_count]
    last = (min(counts) if counts else stills) - 1
    return {round(last * (n + 0.5) / stills) for n in range(stills)}


def _laid_out(before: Pixels, after: Pixels, layout: Layout, time_s: float) -> Pixels:
    if layout == "side":
        return cast("Pixels", np.hstack([before, after]))
    width = before.shape[1]
    share = 0.5 - 0.5 * math.cos(2 * math.pi * time_s / WIPE_S)
    middle = round(share * width)
    half = max(1, round(width * LINE / 2))
    mixed = after.copy()
    mixed[:, :middle] = before[:, :middle]
    mixed[:, max(0, middle - half) : middle + half] = np.iinfo(before.dtype).max
    return mixed
