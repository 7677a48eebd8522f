"""Sound, subtitles and other streams: copied or transcoded into a target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .probe import moving_streams
from .pyav import av
from .subtitles import READABLE, TEXT_FORMATS, read_text, write_text

#: Codecs for sound that a container does not allow as it is.
_SOUND = {".mp4": "aac", ".mov": "aac", ".mkv": "libopus", ".webm": "libopus"}
#: Samples per second that these encoders take; others become 48000.
_RATES = {
    "aac": {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000},
    "libopus": {48000},
}
#: Speakers by their number, for files that say no more.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
#: Sound that the muxers of mp4 and mov surely take; of other kinds they refuse some.
_SAFE_SOUND = {"aac", "mp3", "ac3", "eac3"}
#: Bytes of the empty lines that mp4 stores between subtitles; its muxer makes its own.
_GAP_SIZE = 2
_SUBTITLE_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    b"Style: Default,Arial,16\n\n[Events]\n"
)
#: Tags that describe the old file and not its content.
_STALE = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "vendor_id",
          "number_of_", "bps", "_statistics", "alpha_mode")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The range of the source that is kept, in seconds of its own clock.

    Attributes:
        start: Where the target begins; None takes everything, also what lies before the frames.
        end: Where it ends; None takes everything.
        shift: Subtracted from all times.
    """

    start: Fraction | None
    end: Fraction | None
    shift: Fraction


class StreamCopy:
    """Packets go over as they are."""

    def __init__(self, source: Any, target: Any, span: Span, *, in_samples: bool = False) -> None:
        """Pair two streams.

        Args:
            source: Stream of the source.
            target: Stream of the target.
            span: The range to keep.
            in_samples: Sound whose times are rounded (to ms in Matroska) gets those that its
                packets of equal length must have, for a container that stores them to the sample.
        """
        self.source, self.target, self._span = source, target, span
        self._last: int | None = None
        self._step = 0
        context = source.codec_context
        rounded = in_samples and source.time_base * context.sample_rate > 1
        self._samples = context.frame_size if rounded else 0
        self._due: int | None = None

    def take(self, packet: Any) -> Iterator[Any]:
        """The packet at its new time, if it lies within the span."""
        if self._samples:
            self._unround(packet)
        base = packet.time_base
        if self.source.type == "subtitle":
            if packet.size <= _GAP_SIZE:
                return
            cut_line(packet, self._span)
        if not _inside(self._span, packet.pts * base):
            return
        shift = round(self._span.shift / base)
        dts = packet.pts if packet.dts is None else packet.dts
        packet.pts, dts = packet.pts - shift, dts - shift
        if self._last is not None:
            dts = max(dts, self._last + 1)
            self._step = dts - self._last
        # Without a duration mp4 would end before its last packet.
        packet.duration = packet.duration or self._step
        packet.pts, packet.dts = max(packet.pts, dts), dts
        self._last = dts
        packet.stream = self.target
        yield packet

    def _unround(self, packet: Any) -> None:
        base = Fraction(1, self.source.codec_context.sample_rate)
        start = round(packet.pts * packet.time_base / base)
        if self._due is not None and abs(start - self._due) * base <= packet.time_base:
            start = self._due
        self._due = start + self._samples
        packet.pts = packet.dts = start
        packet.duration, packet.time_base = self._samples, base

    def rest(self) -> Iterator[Any]:
        """Nothing is held back."""
        yield from ()


class AudioTranscode:
    """Sound that the container forbids, decoded and encoded anew."""

    def __init__(self, source: Any, target: Any, span: Span) -> None:
        self.source, self.target, self._span = source, target, span

    def take(self, packet: Any) -> Iterator[Any]:
        """The encoded packets of one packet of the source."""
        try:
            frames = packet.decode()
        except av.FFmpegError:  # a damaged packet is silence
            return
        for frame in frames:
            if frame.pts is None:
                continue
            start = frame.pts * frame.time_base
            if _inside(self._span, start):
                frame.pts -= round(self._span.shift / frame.time_base)
                yield from self.target.encode(frame)

    def rest(self) -> Iterator[Any]:
        """The packets that the encoder still holds."""
        yield from self.target.encode(None)


class SubtitleTranscode:
    """Subtitles in the text format of the container; lines that begin earlier are cut."""

    def __init__(self, source: Any, target: Any, span: Span, codec: str) -> None:
        self.source, self.target, self._span, self._codec = source, target, span, codec

    def take(self, packet: Any) -> Iterator[Any]:
        """One line at its new time."""
        text = read_text(self.source.codec_context.codec.canonical_name, bytes(packet))
        base, span = packet.time_base, self._span
        cut_line(packet, span)
        if not text or not _inside(span, packet.pts * base):
            return
        line = av.Packet(write_text(self._codec, text))
        line.stream, line.time_base = self.target, Fraction(1, 1000)
        line.pts = line.dts = round((packet.pts * base - span.shift) * 1000)
        line.duration = round((packet.duration or 0) * base * 1000)
        yield line

    def rest(self) -> Iterator[Any]:
        """Nothing is held back."""
        yield from ()


StreamPlan = StreamCopy | AudioTranscode | SubtitleTranscode


def plan_streams(
    source: Any, target: Any, suffix: str, span: Span, *, careful: bool
) -> tuple[list[StreamPlan], list[str]]:
    """Make a stream of the target for each of the source's that it can hold.

    Args:
        source: An open file.
        target: An open file that nothing is written to yet.
        suffix: Of the target.
        span: The range to keep.
        careful: Copy only sound that the container surely takes.

    Returns:
        How each stream goes over, and remarks for the user.
    """
    ways: list[StreamPlan] = []
    notes: list[str] = []
    moving = {stream.index for stream in moving_streams(source)}
    for stream in source.streams:
        if stream.index in moving:
            continue
        way: StreamPlan | None = None
        if stream.type == "audio":
            way = _sound(stream, target, suffix, span, careful, notes)
        elif stream.type == "subtitle":
            way = _subtitles(stream, target, suffix, span, notes)
        elif stream.type != "data" or not source.chapters():  # mp4 has their titles as data
            _other(stream, target, suffix, notes)
        if way is not None:
            describe(stream, way.target)
            ways.append(way)
    return ways, notes


def cut_line(packet: Any, span: Span) -> None:
    """Let a subtitle that is shown across an edge of the span begin or end there."""
    base = packet.time_base
    end = packet.pts + (packet.duration or 0)
    if span.start is not None and packet.pts * base < span.start < end * base:
        packet.pts = packet.dts = math.ceil(span.start / base)
    if span.end is not None:
        end = min(end, round(span.end / base))
    packet.duration = max(0, end - packet.pts)


def describe(source: Any, target: Any) -> None:
    """Copy language, title and role of a stream."""
    target.metadata.update(kept_tags(source.metadata))
    target.disposition = source.disposition


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags that stay true in another file."""
    return {key: value for key, value in tags.items() if not key.lower().startswith(_STALE)}


def _sound(
    stream: Any, target: Any, suffix: str, span: Span, careful: bool, notes: list[str]
) -> StreamCopy | AudioTranscode | None:
    if stream.codec_context is None:
        notes.append("a sound stream of an unknown kind is left out")
        return None
    name = stream.codec_context.codec.canonical_name
    if not careful or name in _SAFE_SOUND:
        try:
            copy = target.add_stream_from_template(stream, opaque=True)
            return StreamCopy(stream, copy, span, in_samples=suffix in (".mp4", ".mov"))
        except ValueError:
            pass
    encoder = _SOUND[suffix]
    rate, count = stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels
    recoded = target.add_stream(encoder, rate=rate if rate in _RATES[encoder] else 48000)
    recoded.codec_context.layout = _LAYOUTS.get(count, "stereo")
    recoded.codec_context.bit_rate = 96000 * min(count, 8)
    notes.append(f"sound becomes {encoder.removeprefix('lib')}: {suffix} cannot hold {name}")
    return AudioTranscode(stream, recoded, span)


def _subtitles(
    stream: Any, target: Any, suffix: str, span: Span, notes: list[str]
) -> StreamCopy | SubtitleTranscode | None:
    known = stream.codec_context is not None
    name = stream.codec_context.codec.canonical_name if known else "unknown"
    wanted = TEXT_FORMATS[suffix]
    if name == wanted or (suffix == ".mkv" and known and name != "mov_text"):
        try:
            return StreamCopy(stream, target.add_stream_from_template(stream, opaque=True), span)
        except ValueError:
            pass
    elif name in READABLE:
        return SubtitleTranscode(stream, _text_stream(target, wanted), span, wanted)
    notes.append(f"subtitles are left out: {suffix} cannot hold {name} (.mkv can)")
    return None


def _text_stream(target: Any, codec: str) -> Any:
    if codec == "mov_text":  # its header, with the style, comes from the encoder
        stream = target.add_stream(codec)
        stream.codec_context.subtitle_header = _SUBTITLE_HEADER
        stream.codec_context.time_base = Fraction(1, 1000)
    else:
        stream = target.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    return stream


def _other(stream: Any, target: Any, suffix: str, notes: list[str]) -> None:
    if stream.type == "attachment" and suffix == ".mkv":
        target.add_stream_from_template(stream)
        return
    kind = {"attachment": "an attachment", "video": "a cover frame"}.get(
        stream.type, f"a stream of kind {stream.type}"
    )
    notes.append(f"{kind} is left out: it cannot be taken over to {suffix}")


def _inside(span: Span, time: Fraction) -> bool:
    return (span.start is None or time >= span.start) and (span.end is None or time < span.end)
