"""Encodes frames to a part file, atomically."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import WriteError
from ...files import os_errors_as
from .containers import Encoding, Plan, plan_encoding, set_colors, stored_colors
from .frames import Frame, VideoInfo
from .planes import copy_frame, has_plain_planes
from .pyav import av
from .video_colors import converted

__all__ = ["Encoding", "SegmentWriter"]

#: Added to all times within a part, whose muxer would shift them if one were below 0.
PART_START = 1 << 30


class SegmentWriter:
    """One part of the frames of a target: begins with a key frame and stands alone.

    The file gets its name when it is closed; until then it has another one, which `abandon`
    removes and the next attempt overwrites. The same frames always give the same bytes.

    Attributes:
        notes: Properties of the video that the encoder cannot keep, one line each.
    """

    def __init__(self, path: Path, first: Frame, encoding: Encoding) -> None:
        """Open the file.

        Args:
            path: Where the part appears, under any name; the format is its own.
            first: A frame like all that follow; it is not written yet.
            encoding: How frames are stored.

        Raises:
            SettingsError: The encoding is not valid, or does not fit the video.
            WriteError: The folder is missing or not writable.
        """
        self.path, self._info, self._count = path, first.info, 0
        size_wh = first.av_frame.width, first.av_frame.height
        self._plan = plan_encoding(first.info, encoding, size_wh)
        self.notes = self._plan.notes
        self._temporary = path.with_name(f".{path.stem}.unfinished{path.suffix}")
        with write_errors(path):
            self._file = av.open(
                f"file:{self._temporary}",
                "w",
                format=_part_format(self._plan),
                container_options={"fflags": "+bitexact"},
            )
            try:
                self._stream = _video_stream(self._file, first.info, self._plan, size_wh)
                self._file.start_encoding()
            except BaseException:
                self.abandon()
                raise

    def write(self, frame: Frame) -> None:
        """Append a frame of the same video and size.

        Raises:
            WriteError: The disk is full, or the encoder refuses the frame.
        """
        av_frame = _fitting(frame, self._plan.pixel_format)
        av_frame.pts, av_frame.time_base = frame.pts, self._info.time_base
        av_frame.pict_type = 0  # the decoder's choice of key frames is not ours
        with self._abandoned_on_error():
            self._mux(self._stream.encode(av_frame))

    def close(self, path: Path | None = None) -> Path:
        """Finish the file; it appears under its own name, or another in the same folder.

        Raises:
            WriteError: The disk is full.
        """
        target = path or self.path
        with self._abandoned_on_error():
            self._mux(self._stream.encode(None))
            self._file.close()
            with self._temporary.open("rb+") as file:
                os.fsync(file.fileno())
            self._temporary.replace(target)
        return target

    def abandon(self) -> None:
        """Close and delete what was written; nothing appears."""
        with contextlib.suppress(Exception):  # it is deleted anyway
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _mux(self, packets: list[Any]) -> None:
        """Write packets; their decoding times only rise, for x265 leaves some undefined."""
        for packet in packets:
            packet.pts += PART_START
            packet.dts = PART_START // 2 + self._count
            self._count += 1
            self._file.mux(packet)

    @contextlib.contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        try:
            with write_errors(self.path):
                yield
        except WriteError:
            self.abandon()
            raise


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise errors of FFmpeg and of the file system as one `WriteError`."""
    remedy = "free some space or choose another place; the same command goes on"
    with os_errors_as(
        WriteError,
        f"cannot write {path}",
        remedy=remedy,
        path=path,
        errors=(OSError, av.FFmpegError),
    ):
        yield


def _part_format(plan: Plan) -> str:
    """NUT holds any codec and exact times; only transparency beside VP9 needs Matroska."""
    return "matroska" if plan.keeps_alpha and plan.codec == "vp9" else "nut"


def _video_stream(file: Any, info: VideoInfo, plan: Plan, size_wh: tuple[int, int]) -> Any:
    stream = file.add_stream(plan.encoder, rate=info.rate, options=plan.options)
    stream.width, stream.height = size_wh
    stream.pix_fmt = plan.pixel_format
    stream.time_base = info.time_base
    context = stream.codec_context
    context.time_base = info.time_base
    context.thread_count = int(plan.options["threads"])
    context.sample_aspect_ratio = info.sample_aspect
    set_colors(context, stored_colors(info, plan.pixel_format))
    return stream


def _fitting(frame: Frame, name: str) -> Any:
    """The frame in the encoder's format, its samples as they are where the layout allows."""
    av_frame, colors = frame.av_frame, stored_colors(frame.info, name)
    if av_frame.format.name == name:
        return av_frame
    if av_frame.format.name.replace("yuvj", "yuv") == name and has_plain_planes(av_frame.format):
        return copy_frame(av_frame, colors, name)
    return converted(av_frame, name, colors)
