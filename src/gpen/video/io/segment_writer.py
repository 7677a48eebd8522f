"""Frames to a file of encoded pictures, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import WriteError
from ...files import os_errors_as
from .containers import Encoding, Plan, plan_encoding, set_colors, stored_colors
from .frames import Clip, Frame
from .planes import copy_picture, has_plain_planes
from .pyav import av
from .video_colors import converted

__all__ = ["Encoding", "SegmentWriter"]

#: Added to all times within a part, whose muxer would shift them if one were below 0.
PART_START = 1 << 30


class SegmentWriter:
    """One part of the pictures of a target: begins with a key frame and stands alone.

    The file appears under its name when it is closed; until then it has another one, which
    `abandon` removes and the next attempt writes over. The same frames always give the same bytes.

    Attributes:
        notes: What the encoder cannot keep, one line each.
    """

    def __init__(self, path: Path, first: Frame, encoding: Encoding) -> None:
        """Open the file.

        Args:
            path: Where the part appears, under any name; the format is its own.
            first: A frame like all that follow; it is not written yet.
            encoding: How pictures are stored.

        Raises:
            SettingsError: The encoding means nothing, or does not fit the clip.
            WriteError: The folder is missing or not writable.
        """
        self.path, self._clip, self._count = path, first.clip, 0
        size_wh = first.picture.width, first.picture.height
        self._plan = plan_encoding(first.clip, encoding, size_wh)
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
                self._stream = _video_stream(self._file, first.clip, self._plan, size_wh)
                self._file.start_encoding()
            except BaseException:
                self.abandon()
                raise

    def write(self, frame: Frame) -> None:
        """Append a frame of the same clip and size.

        Raises:
            WriteError: The disk is full, or the encoder refuses the frame.
        """
        picture = _fitting(frame, self._plan.pixel_format)
        picture.pts, picture.time_base = frame.pts, self._clip.time_base
        picture.pict_type = 0  # the decoder's choice of key frames is not ours
        with self._abandoned_on_error():
            self._mux(self._stream.encode(picture))

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
        with contextlib.suppress(Exception):  # it is thrown away whatever its state
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


def _video_stream(file: Any, clip: Clip, plan: Plan, size_wh: tuple[int, int]) -> Any:
    stream = file.add_stream(plan.encoder, rate=clip.rate, options=plan.options)
    stream.width, stream.height = size_wh
    stream.pix_fmt = plan.pixel_format
    stream.time_base = clip.time_base
    context = stream.codec_context
    context.time_base = clip.time_base
    context.thread_count = int(plan.options["threads"])
    context.sample_aspect_ratio = clip.sample_aspect
    set_colors(context, stored_colors(clip, plan.pixel_format))
    return stream


def _fitting(frame: Frame, name: str) -> Any:
    """The picture in the encoder's format, its samples as they are where the layout allows."""
    picture, colors = frame.picture, stored_colors(frame.clip, name)
    if picture.format.name == name:
        return picture
    if picture.format.name.replace("yuvj", "yuv") == name and has_plain_planes(picture.format):
        return copy_picture(picture, colors, name)
    return converted(picture, name, colors)
