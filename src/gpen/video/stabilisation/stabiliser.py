"""Stabilises restored faces over time.

Each output of the network becomes a mean of itself and of the outputs SPAN frames before and after
it, carried along by the motion of the input (see `gpen.video.stabilisation.motion`), where that
motion can be trusted:

    result = Σ weight · (carried + light) / Σ weight,   weight = strength · trust, its own 1

- Frames on both sides count alike, so nothing lags, and what one frame gets wrong is outvoted. What
  is further away than REACH frames has no influence: any part of a video can be made by itself.
- Detail is that of the outputs themselves, not their difference from the input: the network took
  the input's own noise away, and a mean of differences would bring it back.
- `light` is how the input's brightness and colour changed, on a coarse grid: a change that goes on
  or is large is followed, what merely quivers is not. So the network's tint stands still, and a
  light that changes does not lag.
- Masks need nothing: they are placed by the track's points, which are smooth already.

Convention:
    cells    (CELLS, CELLS, 3) luma, Cr, Cb
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import SettingsError
from ...types import Crop, FloatArray, Pixels
from .mixing import Mix, Scratch, pixels_of, planes_of, shrunk
from .motion import SIDE, Step, carry, field_of, guess, resized, step

#: Frames on each side that a result is a mean of, and over which a guess of motion is.
SPAN, AVERAGED = 2, 1
#: Frames on each side that have any influence.
REACH = SPAN + AVERAGED
#: Coarse grid on which light is measured, and what it is measured on.
CELLS, LIGHT_SIDE = 16, 64
#: Departure from the trend, in levels, of which one half is followed.
SUDDEN = 4.0


@dataclass(slots=True)
class _Seen:
    """What is kept of a frame of a track.

    Attributes:
        output: The network's output.
        planes: Of the output: luma, Cr, Cb in levels.
        halves: Its colours at half the size.
        field: Of the input.
        small: Of the input, (LIGHT_SIDE, LIGHT_SIDE, 3).
        guess: Of the motion from here to the frame before; None where there is none.
        moved: The motion itself, and how the light changed, as cells, once they are known.
    """

    output: Pixels
    planes: list[FloatArray]
    halves: list[FloatArray]
    field: FloatArray
    small: FloatArray
    guess: FloatArray | None = None
    moved: tuple[Step, FloatArray] | None = None


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """A frame near the one that is made.

    Attributes:
        offset: Frames after it; negative before it.
        seen: The frame.
        flow: Flow to that frame.
        trust: Confidence of the flow.
        light: Difference in brightness and colour to the frame that is made, as cells.
    """

    offset: int
    seen: _Seen
    flow: FloatArray
    trust: FloatArray
    light: FloatArray


class Stabiliser:
    """Stabilises the restored crops of any number of tracks; each track's frames in order.

    All frames up to `reach` after one are pushed before that one is taken. A frame that is pushed
    need not be taken: a part of a video begins by pushing the `reach` frames before it.

    Args:
        strength: 0 returns the network's outputs as they are, 1 stabilises most.

    Raises:
        SettingsError: The strength is not in [0, 1].
    """

    def __init__(self, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise SettingsError(f"stabilising strength is {strength}; expected 0 to 1")
        self.strength = strength
        self._tracks: dict[int, dict[int, _Seen]] = {}
        self._scratch = Scratch()

    @property
    def reach(self) -> int:
        """Frames on each side that have any influence on a result."""
        return REACH if self.strength else 0

    def push(self, track_id: int, index: int, crop: Crop, output: Pixels) -> None:
        """Show the next frame of a track.

        Args:
            track_id: Which face, at least 0.
            index: Number of the frame; frames that do not follow each other are strangers.
            crop: The face as cut out of the frame, by smoothed points.
            output: The network's output, like `crop.pixels`.
        """
        if self.strength == 0:
            return
        track = self._tracks.setdefault(track_id, {})
        seen = track[index] = _seen(crop, output)
        before = track.get(index - 1)
        if before and before.output.shape == output.shape:
            seen.guess = guess(before.field, seen.field)

    def take(self, track_id: int, index: int, output: Pixels) -> Pixels:
        """The steadied output of a frame that was pushed; frames are taken in their order.

        Args:
            track_id: Which face.
            index: Number of the frame.
            output: The output that was pushed.

        Returns:
            Same dtype and size; `output` itself at strength 0, or if no neighbouring frame shows
            the same.
        """
        if self.strength == 0:
            return output
        track = self._tracks[track_id]
        near = _with_light([*_side(track, index, -1), *_side(track, index, 1)])
        result = _mean(track[index], near, self.strength, self._scratch) if near else output
        # Where the next frame is not there, the track ends, or goes on elsewhere later.
        last = index - SPAN if index + 1 in track else index
        for old in [i for i in track if i <= last]:
            del track[old]
        if not track:
            del self._tracks[track_id]
        return result


def _seen(crop: Crop, output: Pixels) -> _Seen:
    source = planes_of(shrunk(crop.pixels, SIDE))
    planes = _split(planes_of(output))
    return _Seen(
        output=output,
        planes=planes,
        halves=[resized(plane, output.shape[0] // 2) for plane in planes[1:]],
        field=field_of(_split(source)[0]),
        small=resized(source, LIGHT_SIDE),
    )


def _moved(track: dict[int, _Seen], index: int) -> tuple[Step, FloatArray] | None:
    """Motion and change of light since the frame before; None where there is none to follow."""
    now = track.get(index)
    if now is None or now.guess is None:
        return None
    if now.moved is None:
        around = (track.get(i) for i in range(index - AVERAGED, index + AVERAGED + 1))
        guesses = [seen.guess for seen in around if seen and seen.guess is not None]
        before = track[index - 1]
        motion = step(before.field, now.field, np.mean(guesses, axis=0, dtype=np.float32))
        change = now.small - carry(before.small, motion.back)
        now.moved = motion, resized(change, CELLS)
    return now.moved


def _side(track: dict[int, _Seen], index: int, way: int) -> Iterator[_Neighbour]:
    """Neighbours on one side, nearest first; `light` is yet all of its change."""
    flow: FloatArray | None = None
    for distance in range(1, SPAN + 1):
        other = index + way * distance
        moved = _moved(track, max(other, other - way))
        if moved is None:
            return
        one, change = moved
        further, sure = (one.back, one.trust_back) if way < 0 else (one.ahead, one.trust_ahead)
        if flow is None:
            flow, trust, light = further, sure, -way * change
        else:
            trust = trust * carry(sure, flow)
            flow = flow + carry(further, flow)
            light = light - way * change
        yield _Neighbour(way * distance, track[other], flow, trust, light)


def _with_light(near: Sequence[_Neighbour]) -> list[_Neighbour]:
    """Of each change of light its trend, and of what departs from that what is large."""
    total = sum(one.offset**2 for one in near)
    trend = np.zeros((CELLS, CELLS, 3), np.float32)
    for one in near:
        trend += np.float32(one.offset / total) * one.light
    result = []
    for one in near:
        expected: FloatArray = np.float32(one.offset) * trend
        off = one.light - expected
        square = np.square(off)
        followed = expected + off * (square / (square + np.float32(SUDDEN**2)))
        result.append(_Neighbour(one.offset, one.seen, one.flow, one.trust, followed))
    return result


def _mean(now: _Seen, near: Sequence[_Neighbour], strength: float, scratch: Scratch) -> Pixels:
    """The weighted mean of a frame and its neighbours, as sharp as the frame."""
    total = np.ones((SIDE, SIDE), np.float32)
    for one in near:
        total += np.float32(strength) * one.trust
    mix = Mix(now.planes, now.halves, np.float32(1) / total, scratch)
    for one in near:
        share = np.float32(strength) * one.trust / total
        mix.add([one.seen.planes[0], *one.seen.halves], one.flow, share, one.light)
    return pixels_of(mix.planes(), now.output)


def _split(image: FloatArray) -> list[FloatArray]:
    """(side, side, 3) → three planes."""
    return [np.ascontiguousarray(image[..., channel]) for channel in range(3)]
