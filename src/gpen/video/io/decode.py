"""The frames of a video, one after the other, in constant memory."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

from ...errors import ReadError
from .frames import Frame, VideoInfo, replace_pixels, whole_frame
from .image_sequence import read_folder
from .probe import decoder_for, open_video, opened
from .pyav import av
from .video_colors import converted

__all__ = ["Frame", "VideoInfo", "open_video", "read_frames", "replace_pixels", "whole_frame"]

#: Seconds before the start of a range at which decoding begins at the latest.
_LEAD_IN_S = 1.0
#: Codecs some of whose packets show nothing, so that a packet without a frame is no fault.
_HIDES_FRAMES = {"vp8", "vp9", "av1"}
#: Tick, frame, and whether the frame is its neighbour's.
_Timed = tuple[int, Any, bool]


def read_frames(
    info: VideoInfo,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    from_index: int = 0,
) -> Generator[Frame, None, None]:
    """The frames of a video in the order in which they are shown.

    A frame that cannot be decoded is replaced by the one before it (by the next at the
    beginning), keeps its time and is marked `replaced`. The result does not depend on
    `from_index`: earlier frames are decoded and dropped.

    Args:
        info: From `open_video`.
        start_s: First time to show, in seconds from the start of the video; None or 0 is all.
        end_s: Frames from this time on are left out; None reads to the end.
        from_index: First frame to give, counted from 0 within the range.

    Raises:
        ReadError: The file went away or nothing of the range can be decoded.
    """
    first = info.ticks(start_s) if start_s else None
    last = None if end_s is None else info.ticks(end_s)
    timed: Iterator[_Timed]
    if info.image_files:
        timed = (item for item in read_folder(info) if item[0] >= (first or 0))
    else:
        timed = _from_file(info, first)
    index = -1
    for pts, av_frame, replaced in timed:
        if last is not None and pts >= last:
            break
        index += 1
        if index >= from_index:
            yield Frame(info, index, pts, av_frame, replaced)
    if index < 0:
        raise ReadError(
            f"cannot read {info.path}: no frame between {start_s or 0:g} s and "
            f"{'the end' if end_s is None else f'{end_s:g} s'}; "
            f"the video lasts {info.duration_s or 0:g} s",
            path=info.path,
        )


def _from_file(info: VideoInfo, first: int | None) -> Iterator[_Timed]:
    """The frames of a file from a tick on."""
    with opened(info.path) as (container, stream):
        sought = first is not None and _seek(container, stream, first)
        frames = _prepared(info, container, stream)
        for pts, av_frame, replaced in frames:
            if sought and first is not None and pts > first:
                break  # the jump went too far: start over from the beginning
            sought = False
            if first is None or pts >= first:
                yield pts, av_frame, replaced
        if not sought:
            return
    with opened(info.path) as (container, stream):
        for item in _prepared(info, container, stream):
            if first is None or item[0] >= first:
                yield item


def _seek(container: Any, stream: Any, first: int) -> bool:
    """Jump to a key frame before a tick; says whether it did."""
    target = first - int(_LEAD_IN_S / stream.time_base)
    if target <= (stream.start_time or 0):
        return False
    try:
        container.seek(target, stream=stream, backward=True)
    except av.FFmpegError:
        return False
    return True


def _prepared(info: VideoInfo, container: Any, stream: Any) -> Iterator[_Timed]:
    """Decoded, repaired, of one size and format, and deinterlaced."""
    timed: Iterator[_Timed] = _repaired(info, container, stream)
    timed = ((pts, _conform(info, av_frame), replaced) for pts, av_frame, replaced in timed)
    return _deinterlaced(info, timed) if info.interlaced else timed


def _repaired(info: VideoInfo, container: Any, stream: Any) -> Iterator[_Timed]:
    """Decoded frames at rising ticks; gaps and damaged frames show their neighbour."""
    decoder = decoder_for(stream)
    due = _ByOrder() if info.container == "avi" else _ByTime(info)
    good: Any = None
    waiting: list[int] = []
    for av_frame in _av_frames(container, stream, decoder, due):
        missed, pts = due.ticks_of(av_frame)
        waiting += missed
        if pts is None:
            continue  # its tick was taken by its neighbour
        damaged = bool(av_frame.is_corrupt)
        if damaged:
            waiting.append(pts)
        if good is not None or not damaged:
            for tick in waiting:
                yield tick, av_frame if good is None else good, True
            waiting.clear()
        if not damaged:
            good = av_frame
            yield pts, good, False
    if good is not None:
        for tick in due.rest():
            yield tick, good, True


class _ByTime:
    """Which frames are due, by the presentation times of their packets."""

    def __init__(self, info: VideoInfo) -> None:
        self._trouble = 0
        self._fills_all = info.codec not in _HIDES_FRAMES
        self._due: list[int] = []
        self._last: int | None = None
        self._start, self._step = info.start_pts, max(1, round(1 / (info.rate * info.time_base)))

    def feed(self, packet: Any) -> None:
        """Expect a frame of this packet."""
        self._trouble += bool(packet.is_corrupt)
        if packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._due, packet.pts)

    def fail(self) -> None:
        """Something could not be decoded."""
        self._trouble += 1

    def ticks_of(self, av_frame: Any) -> tuple[list[int], int | None]:
        """Ticks that were passed over before this frame, and its own if it is not too late."""
        last, pts = self._last, av_frame.pts if av_frame.pts is not None else av_frame.dts
        if pts is None:
            pts = self._start if last is None else last + self._step
        elif last is not None and pts <= last:
            if self._trouble:
                return [], None
            pts = last + 1  # two frames of one time
        missed = set()
        while self._due and self._due[0] <= pts:
            missed.add(heapq.heappop(self._due))
        self._last = pts
        return self._real(missed - {pts}, last), pts

    def rest(self) -> list[int]:
        """Ticks after the last frame."""
        return self._real(set(self._due), self._last)

    def _real(self, missed: set[int], last: int | None) -> list[int]:
        if not self._trouble and not self._fills_all:
            return []
        return sorted(tick for tick in missed if last is None or tick > last)


class _ByOrder:
    """Which frames are due in AVI, which stores no times: the next takes the next tick."""

    def __init__(self) -> None:
        self._due: list[int] = []
        self._lost = 0

    def feed(self, packet: Any) -> None:
        """Expect a frame of this packet."""
        heapq.heappush(self._due, packet.dts)

    def fail(self) -> None:
        """A packet gave no frame."""
        self._lost += 1

    def ticks_of(self, _av_frame: Any) -> tuple[list[int], int | None]:
        """Ticks of the packets lost before this frame, and its own."""
        missed = [heapq.heappop(self._due) for _ in range(min(self._lost, len(self._due) - 1))]
        self._lost = 0
        return missed, heapq.heappop(self._due) if self._due else None

    def rest(self) -> list[int]:
        """Ticks after the last frame."""
        return sorted(self._due)


def _av_frames(container: Any, stream: Any, decoder: Any, due: _ByTime | _ByOrder) -> Iterator[Any]:
    """The frames of the decoder; damaged ones are left out."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, IndexError):  # cut short; PyAV fails at streams that begin late
            due.fail()
            packet = None
        ends = packet is None or not packet.size
        if packet is not None and not ends:
            due.feed(packet)
        try:
            yield from decoder.decode(None if ends else packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            due.fail()
        if ends:
            return


def _conform(info: VideoInfo, av_frame: Any) -> Any:
    """The frame in the size and format of the video, which streams may change on the way."""
    same_size = (av_frame.width, av_frame.height) == info.size_wh
    if same_size and av_frame.format.name == info.pixel_format:
        return av_frame
    if same_size:
        return converted(av_frame, info.pixel_format, info.colors)
    width, height = info.size_wh
    resized = av_frame.reformat(width=width, height=height, format=info.pixel_format)
    resized.pts = av_frame.pts
    return resized


def _deinterlaced(info: VideoInfo, timed: Iterator[_Timed]) -> Iterator[_Timed]:
    """One frame for each; fields that belong to other times are interpolated."""
    graph: Any = None
    waiting: deque[tuple[int, bool]] = deque()
    for pts, av_frame, replaced in timed:
        if graph is None:
            graph = _bwdif(info, av_frame)
        waiting.append((pts, replaced))
        av_frame.pts, av_frame.time_base = pts, info.time_base
        graph.vpush(av_frame)
        yield from _pulled(graph, waiting)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph, waiting)


def _bwdif(info: VideoInfo, av_frame: Any) -> Any:
    """A graph for the frames that are marked as interlaced, or all where none is."""
    which = "interlaced" if av_frame.interlaced_frame else "all"
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=av_frame.width,
        height=av_frame.height,
        format=av_frame.format,
        time_base=info.time_base,
    )
    graph.link_nodes(
        source, graph.add("bwdif", f"mode=send_frame:deint={which}"), graph.add("buffersink")
    ).configure()
    return graph


def _pulled(graph: Any, waiting: deque[tuple[int, bool]]) -> Iterator[_Timed]:
    while waiting:
        try:
            av_frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        pts, replaced = waiting.popleft()
        yield pts, av_frame, replaced
