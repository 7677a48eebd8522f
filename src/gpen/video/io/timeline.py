"""The timeline of encoded frames: read from parts, ordered for a container."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import WriteError
from .frames import VideoInfo
from .pyav import av
from .segment_writer import PART_START


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the frames of all parts are shown and decoded, in ticks of `base`.

    Attributes:
        base: Seconds of a tick.
        shown: Presentation times, rising.
        depth: How many frames the decoder holds back for reordering.
        last_duration: Of the last frame.
    """

    base: Fraction
    shown: array[int]
    depth: int
    last_duration: int

    @property
    def end(self) -> int:
        """When the last frame ends."""
        return self.shown[-1] + self.last_duration

    def decode_time(self, number: int) -> int:
        """Decoding time of a packet by its number: rising, and never after its frame is shown.

        The times are those of the frames, moved back by the depth. Before the first frame
        the distances of the last ones are repeated, so that decoding takes as long as showing.
        """
        if number >= self.depth:
            return self.shown[number - self.depth]
        return self.shown[0] - (self.shown[-1] - self.shown[-1 - self.depth + number])

    def duration(self, pts: int) -> int:
        """How long the frame of a time is shown."""
        index = bisect_left(self.shown, pts)
        if index + 1 < len(self.shown):
            return self.shown[index + 1] - pts
        return self.last_duration


def read_timeline(parts: Sequence[Path], info: VideoInfo, *, whole: bool = True) -> Timeline:
    """The times of the frames of all parts.

    Args:
        parts: In order.
        info: Their source.
        whole: The last frame is the source's last, and lasts as long.

    Raises:
        WriteError: A part is damaged.
    """
    shown: array[int] = array("q")
    depth, base = 0, info.time_base
    for part in parts:
        times = []
        for packet, ticks in part_packets(part, info):
            base = packet.time_base
            times.append(ticks)
        order = {pts: rank for rank, pts in enumerate(sorted(times))}
        depth = max([depth, *(number - order[pts] for number, pts in enumerate(times))])
        if not times or (shown and min(times) <= shown[-1]) or len(order) != len(times):
            raise _damaged(part)
        shown.extend(sorted(times))
    step = max(1, round(1 / (info.rate * base)))
    last = _last_duration(info, shown, base, step) if whole else step
    return Timeline(base, shown, depth, last)


def part_packets(part: Path, info: VideoInfo) -> Iterator[tuple[Any, int]]:
    """The packets of a part in decoding order, each with its presentation time in ticks.

    The tick is the packet's time base: the video's, or that of the part where it cannot hold it.

    Raises:
        WriteError: The part is damaged.
    """
    try:
        with av.open(f"file:{part}") as container:
            stream = container.streams.video[0]
            base = info.time_base
            if container.format.name != "nut" and stream.time_base is not None:
                base = stream.time_base
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    time = packet.pts * packet.time_base - PART_START * info.time_base
                    packet.time_base = base
                    yield packet, round(time / base)
    except (OSError, av.FFmpegError, TypeError):
        raise _damaged(part) from None


def _last_duration(info: VideoInfo, shown: array[int], base: Fraction, step: int) -> int:
    """What the file says of its end if that fits the last frame, else one usual step."""
    if info.duration_s is not None and base == info.time_base:
        rest = info.start_pts + round(Fraction(info.duration_s) / base) - shown[-1]
        if 0 < rest <= 10 * step:
            return rest
    return step


def _damaged(part: Path) -> WriteError:
    return WriteError(
        f"{part} is damaged; delete the folder {part.parent} and run the same command again",
        path=part,
    )
