"""Muxes encoded parts and the other streams of the source into one file."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from ...files import publish
from .containers import check_container, set_colors, stored_colors
from .frames import Frame, VideoInfo
from .image_sequence import FolderWriter, is_folder_target
from .probe import moving_streams, opened
from .pyav import av
from .segment_writer import write_errors
from .streams import Span, StreamPlan, kept_tags, plan_streams
from .target_checks import check_target
from .timeline import Timeline, part_packets, read_timeline

__all__ = ["check_target", "join_segments"]

#: Formats whose clock may start anywhere; results start at 0.
_FREE_CLOCKS = {"mpegts", "mpeg", "wtv"}
#: Ways to treat sound: copy all that fits, copy less, or leave it out.
_COPY, _CONVERT, _LEAVE_OUT = range(3)
#: Seconds after the end within which late packets may still be found in the source.
_LATE_S = 10


def join_segments(
    segments: Sequence[Path],
    info: VideoInfo,
    target: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    partial: bool = False,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Join parts to a file with the sound, subtitles, chapters and tags of the source.

    Packets are copied. Frames keep their times; with a start, all times are moved back by that
    of the first frame, and sound and subtitles are taken from there on. A packet of sound goes
    over if it begins within the range, so sound may begin up to one packet (about 20 ms) later
    than the frames, but never drifts from them. Only what the container forbids is converted
    or left out.

    The file is made in the folder of the parts, which must be on the target's file system.

    Args:
        segments: Files of `SegmentWriter`, in order.
        info: Their source.
        target: A .mp4, .mov, .mkv or .webm file; or a folder or a pattern such as out/%06d.png
            for frames, which are written one by one.
        start_s: As given to `read_frames`.
        end_s: As given to `read_frames`.
        partial: The parts are not all: cut everything else where the frames end.
        overwrite: Replace the target if it is there.

    Returns:
        Remarks for the user, one line each.

    Raises:
        OutputExistsError: The target is there and `overwrite` is false.
        SettingsError: The target is no video that can be written, or not one for these parts.
        WriteError: The disk is full, a part is damaged, …; the target is as it was.
    """
    check_target(target, overwrite=overwrite)
    if is_folder_target(target):
        _write_images(segments, info, target, overwrite=overwrite)
        return ()
    suffix = check_container(target)
    cut = partial or end_s is not None
    timeline = read_timeline(segments, info, whole=not cut)
    span = _span(info, timeline, from_start=not start_s, to_end=not cut)
    unfinished = segments[0].parent / f"joining{suffix}"
    try:
        with write_errors(target):
            for care in (_COPY, _CONVERT, _LEAVE_OUT):
                # A damaged packet may be refused only when the muxer empties its queue.
                more_care = () if care == _LEAVE_OUT else (_HeaderError, av.InvalidDataError)
                with contextlib.suppress(*more_care):
                    notes = _write(segments, info, unfinished, timeline, span, care)
                    break
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            try:  # a link that is replaced stays a link
                publish(unfinished, target.resolve() if overwrite else target, replace=overwrite)
            except FileExistsError:
                check_target(target)
                raise
    finally:
        unfinished.unlink(missing_ok=True)
    return tuple(notes)


def _write_images(
    segments: Sequence[Path], info: VideoInfo, target: Path, *, overwrite: bool
) -> None:
    """All frames as files."""
    writer, index = FolderWriter(target, overwrite=overwrite), 0
    for part in segments:
        with av.open(f"file:{part}") as container:
            for av_frame in container.decode(video=0):
                writer.write(Frame(info, index, index, av_frame))
                index += 1


def _span(info: VideoInfo, timeline: Timeline, *, from_start: bool, to_end: bool) -> Span:
    first, end = timeline.shown[0] * timeline.base, timeline.end * timeline.base
    if from_start:
        shift = info.start_pts * info.time_base if info.container in _FREE_CLOCKS else Fraction(0)
    else:
        shift = first
    return Span(None if from_start else first, None if to_end else end, shift)


class _HeaderError(Exception):
    """The muxer refuses a stream that it had accepted."""


def _write(
    segments: Sequence[Path],
    info: VideoInfo,
    path: Path,
    timeline: Timeline,
    span: Span,
    care: int,
) -> list[str]:
    """Write the whole file.

    Raises:
        _HeaderError: A stream beside the frames is refused, so that more care is needed.
    """
    with contextlib.ExitStack() as stack:
        template = stack.enter_context(av.open(f"file:{segments[0]}"))
        source = None if info.image_files else stack.enter_context(opened(info.path))[0]
        sound = [] if source is None else [s.codec_context for s in source.streams.audio]
        rates = [context.sample_rate for context in sound if context is not None]
        out = stack.enter_context(_output(path, timeline, rates))
        video = _video_stream(out, template.streams.video[0], info, timeline)
        ways: list[StreamPlan] = []
        notes = _aspect_note(info, template.streams.video[0], path.suffix)
        if source is not None:
            if care == _LEAVE_OUT:
                remarks = ["sound and subtitles are left out: they are damaged"]
            else:
                ways, remarks = plan_streams(
                    source, out, path.suffix, span, careful=care == _CONVERT
                )
            notes += remarks
            out.metadata.update(kept_tags(source.metadata))
            out.set_chapters(_chapters(source.chapters(), span, timeline))
            tags = moving_streams(source)[0].metadata
            video.metadata.update(kept_tags(tags))
        try:
            out.start_encoding()
        except av.FFmpegError:
            if care == _LEAVE_OUT:
                raise
            raise _HeaderError from None
        av_frames = _av_frames(segments, info, video, timeline, span)
        damaged = _feed(out, av_frames, _others(source, ways, span))
    if damaged:
        notes.append(f"{damaged} packets of sound or subtitles are damaged and left out")
    return notes


def _feed(out: Any, av_frames: Iterator[Any], others: Iterator[tuple[Fraction, Any]]) -> int:
    """Write all packets in the order of their decoding times; says how many were damaged."""
    damaged = 0
    other = next(others, None)
    for packet in av_frames:
        while other is not None and other[0] <= packet.dts * packet.time_base:
            damaged += not _muxed(out, other[1])
            other = next(others, None)
        out.mux(packet)
    while other is not None:
        damaged += not _muxed(out, other[1])
        other = next(others, None)
    return damaged


def _muxed(out: Any, packet: Any) -> bool:
    """Write a packet of the source; says whether it was fit for that."""
    try:
        out.mux(packet)
    except (av.InvalidDataError, av.ArgumentError, av.PatchWelcomeError):
        return False
    return True


def _output(path: Path, timeline: Timeline, sound_rates: Sequence[int]) -> Any:
    # Sound may begin before 0 (what its encoder ran in): moving everything would be wrong.
    options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    if path.suffix in (".mp4", ".mov"):
        # In these ticks mp4 stores where streams begin; ms, its usual ones, would move them.
        av_frames = timeline.base.denominator
        scales = (math.lcm(av_frames, *filter(None, sound_rates)), av_frames, 90000)
        options |= {
            "movflags": "+faststart",
            "movie_timescale": str(next(s for s in scales if 1000 <= s <= 1_000_000)),
        }
    return av.open(f"file:{path}", "w", container_options=options)


def _video_stream(out: Any, template: Any, info: VideoInfo, timeline: Timeline) -> Any:
    try:
        stream = out.add_stream_from_template(template, opaque=True)
    except ValueError as error:
        raise SettingsError(
            f"the parts do not fit the target ({error}): encode them for its container"
        ) from None
    stream.time_base = timeline.base
    context = stream.codec_context
    context.framerate = info.rate  # Matroska passes it on; of parts it is the clock's
    context.sample_aspect_ratio = info.sample_aspect
    set_colors(context, stored_colors(info, context.pix_fmt))
    if info.rotation_deg:
        stream.set_display_rotation(-info.rotation_deg)
    if template.metadata.get("alpha_mode"):
        context.pix_fmt = "yuva420p"  # by which the muxer knows
    return stream


def _aspect_note(info: VideoInfo, template: Any, suffix: str) -> list[str]:
    """Matroska is told the aspect only by the frames themselves, and two codecs hold none."""
    has_none = template.codec_context.codec.canonical_name in ("vp9", "av1")
    if info.sample_aspect == 1 or not has_none or suffix not in (".mkv", ".webm"):
        return []
    aspect = info.sample_aspect
    return [
        f"the pixel aspect {aspect.numerator}:{aspect.denominator} is lost with this codec in "
        f"{suffix} (.mp4 keeps it)"
    ]


def _av_frames(
    segments: Sequence[Path], info: VideoInfo, stream: Any, timeline: Timeline, span: Span
) -> Iterator[Any]:
    """The packets of all parts, at their final times."""
    shift = round(span.shift / timeline.base)
    number = 0
    for part in segments:
        for packet, pts in part_packets(part, info):
            packet.time_base = timeline.base
            packet.duration = timeline.duration(pts)
            packet.pts, packet.dts = pts - shift, timeline.decode_time(number) - shift
            packet.stream = stream
            number += 1
            if number == len(timeline.shown):  # mp4 counts what is decoded last as its end
                packet.duration = timeline.last_duration
            yield packet


def _others(source: Any, ways: Sequence[StreamPlan], span: Span) -> Iterator[tuple[Fraction, Any]]:
    """The packets of the other streams with their decoding times in seconds."""
    if not ways:
        return
    by_index = {way.source.index: way for way in ways}
    packets = source.demux(*(way.source for way in ways))
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, IndexError):  # cut short; PyAV fails at streams that begin late
            break
        if packet is None:
            break
        if packet.pts is None or not packet.size:
            continue
        if span.end is not None and packet.pts * packet.time_base > span.end + _LATE_S:
            break
        for result in by_index[packet.stream.index].take(packet):
            yield result.dts * result.time_base, result
    for way in ways:
        for result in way.rest():
            yield result.dts * result.time_base, result


def _chapters(chapters: list[Any], span: Span, timeline: Timeline) -> list[Any]:
    """Chapters of the span, at their new times."""
    end = timeline.end * timeline.base if span.end is None else span.end
    kept = []
    for chapter in chapters:
        base = chapter["time_base"]
        start, stop = chapter["start"] * base, chapter["end"] * base
        if span.start is not None:
            start = max(start, span.start)
        if span.end is not None:
            stop = min(stop, end)
        if start < stop:
            start_ticks = round((start - span.shift) / base)
            stop_ticks = round((stop - span.shift) / base)
            kept.append({**chapter, "start": start_ticks, "end": stop_ticks})
    return kept
