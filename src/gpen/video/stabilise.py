"""Keep what the network adds to a face from flickering, frame after frame.

Each answer of the network is blended with the stabilised answer before it, carried along by the
motion of the input (see `gpen.video.flow`), where that motion can be trusted:

    result = answer + strength · trust · (carried + light - answer)

- Detail is that of the answers themselves, not their difference from the input: the network took
  the input's own noise away, and a mean of differences would bring it back.
- `light` is how the input's brightness and colour changed, on a coarse grid: a change that goes on
  or is large is followed at once, what merely quivers is not. So the network's tint stands still,
  and a light that changes does not lag.
- A mean of details that differ is softer than each. The finest band is raised again to the energy
  that it had in the answer.
- Masks need nothing: they are placed by the track's points, which are smooth already.

Convention:
    pixels   uint8 or uint16 RGB, (size, size, 3)
    planes   float32 in levels 0 to 255: luma (size, size), and Cr and Cb of half the side
    cells    (CELLS, CELLS, 3) luma, Cr, Cb
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsError
from ..types import Crop, FloatArray, Pixels
from .flow import SIDE, Motion, carry, resized

#: Share of the carried answer at strength 1.
CARRIED = 0.8
#: Coarse grid on which light is measured, and what it is measured on.
CELLS, LIGHT_SIDE = 16, 64
#: Share of the last trend of light in the next.
TREND_KEEP = 0.6
#: Departure from the trend, in levels, of which one half is followed at once.
SUDDEN = 1.0
#: The finest band: what a Gaussian of this many pixels takes away, in crops of 256.
FINE = 0.8
#: Energies are compared over regions of this share of a crop.
REGIONS = 16
#: No more than this is made up for.
MAX_GAIN = 1.8
#: Squared levels below which a band is empty.
EMPTY = 0.25


#: Names of the planes in a state.
PLANES = ("luma", "cr", "cb")


class _Track:
    """What is remembered of one face."""

    def __init__(self, index: int, planes: Sequence[FloatArray], seen: FloatArray) -> None:
        self.index = index
        self.planes = tuple(planes)
        self.seen = seen
        self.trend: FloatArray = np.zeros((CELLS, CELLS, 3), np.float32)
        self.motion = Motion(_field(seen))

    def light(self, seen: FloatArray, flow: FloatArray) -> FloatArray:
        """How light changed since the last frame, as cells, and what of it is to be followed."""
        before = carry(_shrunk(self.seen, LIGHT_SIDE), flow)
        change = _shrunk(_shrunk(seen, LIGHT_SIDE) - before, CELLS)
        off = change - self.trend
        square = np.square(off)
        followed: FloatArray = self.trend + off * (square / (square + np.float32(SUDDEN**2)))
        self.trend = np.float32(TREND_KEEP) * self.trend + np.float32(1 - TREND_KEEP) * change
        return followed


class Stabiliser:
    """Stabilises the restored crops of any number of tracks; each track's frames in order.

    Args:
        strength: 0 returns the network's answers as they are, 1 steadies most.

    Raises:
        SettingsError: The strength is not in [0, 1].
    """

    def __init__(self, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise SettingsError(f"stabilising strength is {strength}; expected 0 to 1")
        self.strength = strength
        self._tracks: dict[int, _Track] = {}

    def stabilise(self, track_id: int, index: int, crop: Crop, answer: Pixels) -> Pixels:
        """Steady one answer.

        A track starts anew where its frames do not follow each other and where nothing of its last
        frame is left in sight.

        Args:
            track_id: Which face, at least 0.
            index: Number of the frame.
            crop: The face as cut out of the frame, by smoothed points.
            answer: The network's answer, like `crop.pixels`.

        Returns:
            The steadied answer, same dtype and size; `answer` itself at strength 0.
        """
        if self.strength == 0:
            return answer
        seen, answered = _planes_of(_shrunk(crop.pixels, SIDE)), _planes_of(answer)
        luma, *colors = _split(answered)
        planes = [luma, *(_shrunk(color, luma.shape[0] // 2) for color in colors)]
        track = self._tracks.get(track_id)
        moved = None
        if track and track.index + 1 == index and track.planes[0].shape == luma.shape:
            moved = track.motion.follow(_field(seen))
        if track is None or moved is None:
            self._tracks[track_id] = _Track(index, planes, seen)
            return answer
        flow, trust = moved
        lights = _split(track.light(seen, flow))
        weight = trust * np.float32(self.strength * CARRIED)
        mixed = [
            _mixed(last, now, flow, weight, light)
            for last, now, light in zip(track.planes, planes, lights, strict=True)
        ]
        mixed[0] = _sharpened(mixed[0], luma)
        track.index, track.planes, track.seen = index, tuple(mixed), seen
        tints = [
            color + resized(after - before, luma.shape[0])
            for color, after, before in zip(colors, mixed[1:], planes[1:], strict=True)
        ]
        return _pixels_of([mixed[0], *tints], answer)

    def forget(self, track_id: int) -> None:
        """A track ended, or a scene did."""
        self._tracks.pop(track_id, None)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, as arrays by name: `numpy.savez` can keep it."""
        arrays: dict[str, NDArray[Any]] = {}
        for track_id, track in self._tracks.items():
            for name, plane in zip(PLANES, track.planes, strict=True):
                arrays[f"{track_id}.{name}"] = plane.copy()
            arrays[f"{track_id}.seen"] = track.seen.copy()
            arrays[f"{track_id}.trend"] = track.trend.copy()
            arrays[f"{track_id}.index"] = np.array(track.index, np.int64)
            arrays[f"{track_id}.reference"] = track.motion.reference.copy()
            arrays[f"{track_id}.flow"] = track.motion.flow.copy()
            arrays[f"{track_id}.usual"] = np.array(track.motion.usual, np.float64)
        return arrays

    @classmethod
    def from_state(cls, strength: float, state: Mapping[str, NDArray[Any]]) -> Self:
        """Go on where `state()` was taken, bit by bit.

        Raises:
            SettingsError: The strength is not in [0, 1], or an array is missing.
        """
        self = cls(strength)
        try:
            for track_id in {int(name.split(".")[0]) for name in state}:
                part = {
                    n.split(".")[1]: v for n, v in state.items() if n.startswith(f"{track_id}.")
                }
                planes = [np.array(part[name]) for name in PLANES]
                track = _Track(int(part["index"]), planes, np.array(part["seen"]))
                track.trend = np.array(part["trend"])
                track.motion.reference = np.array(part["reference"])
                track.motion.flow = np.array(part["flow"])
                track.motion.usual = float(part["usual"])
                self._tracks[track_id] = track
        except (KeyError, ValueError) as error:
            raise SettingsError(
                f"a stabiliser's state lacks {error}; expected what state() returned: start anew"
            ) from None
        return self


def _mixed(
    last: FloatArray, now: FloatArray, flow: FloatArray, weight: FloatArray, light: FloatArray
) -> FloatArray:
    """The carried plane, as bright as now, blended with the present one."""
    side = now.shape[0]
    carried = carry(last, flow, sharp=True)
    carried += resized(light, side)
    carried -= now
    carried *= resized(weight, side)
    carried += now
    return carried


def _sharpened(mixed: FloatArray, answer: FloatArray) -> FloatArray:
    """The mixed luma with as much of the finest detail as the answer has, region by region."""
    fine = _fine(mixed)
    wanted, have = _energy(_fine(answer)), _energy(fine)
    # Not its root: what lies next to the finest band, and was softened too, is raised by less.
    gain = (wanted + np.float32(EMPTY)) / (have + np.float32(EMPTY))
    gain = np.clip(gain, 1, MAX_GAIN) - np.float32(1)
    fine *= resized(gain, mixed.shape[0])
    fine += mixed
    return fine


def _fine(plane: FloatArray) -> FloatArray:
    import cv2

    fine: Any = plane - cv2.GaussianBlur(plane, (0, 0), FINE * max(1.0, plane.shape[0] / 256))
    return fine  # type: ignore[no-any-return]


def _energy(fine: FloatArray) -> FloatArray:
    """(REGIONS, REGIONS)."""
    import cv2

    energy: Any = cv2.GaussianBlur(_shrunk(fine * fine, REGIONS), (0, 0), 0.7)
    return energy  # type: ignore[no-any-return]


def _shrunk(picture: Any, side: int) -> Any:
    import cv2

    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def _split(picture: FloatArray) -> list[FloatArray]:
    """(side, side, 3) → three planes."""
    return [np.ascontiguousarray(picture[..., channel]) for channel in range(3)]


def _field(seen: FloatArray) -> FloatArray:
    """Luma of the input as a field."""
    return np.ascontiguousarray(seen[..., 0])


def _planes_of(pixels: Pixels) -> FloatArray:
    """Luma, Cr, Cb in levels, (side, side, 3)."""
    import cv2

    values = pixels.astype(np.float32)
    if pixels.dtype == np.uint16:
        values *= np.float32(1 / 257)
    planes: Any = cv2.cvtColor(values, cv2.COLOR_RGB2YCrCb)
    return planes  # type: ignore[no-any-return]


def _pixels_of(planes: Sequence[FloatArray], like: Pixels) -> Pixels:
    """RGB in the dtype of another crop."""
    import cv2

    values: Any = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)
    top = 255
    if like.dtype == np.uint16:
        values *= np.float32(257)
        top = 65535
    np.clip(values, 0, top, out=values)
    np.rint(values, out=values)
    pixels: Pixels = values.astype(like.dtype)
    return pixels
