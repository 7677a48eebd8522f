"""Videos whose truth is known: portraits moved by a known camera and head, then damaged for real.

A world image (portrait on a soft background) is looked at through a map from frame to world that
changes over time: camera shift, zoom and roll, the turning and nodding of the head as parallax,
blinks, a mouth that opens, a disc that passes in front. As the map is known, so is where every
point of a face was one frame before. Damage is blur, shrinking, noise and H.264 by PyAV.

Convention:
    frame    uint8 RGB, (height, width, 3), 640×360; damaged frames are smaller by `shrink`
    points   (x, y) in pixels of the undamaged frame, pixel centres at integers
    world    pixels of the world image
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.images import transforms
from gpen.metrics.image_pairs import read_pixels
from gpen.types import Float64Array

Frame = NDArray[np.uint8]
_NO_MAP: Any = None
FRAME_WH = (640, 360)
WORLD_WH = (1400, 1000)
#: Rounds of damped iteration that invert a bend to within its tolerance.
ROUNDS = 24


@dataclass(frozen=True, slots=True)
class Motion:
    """How camera, head and face move; amplitudes in eye distances, angles in degrees.

    Attributes:
        shift: Of the camera, sideways.
        zoom: Share by which the camera goes nearer and further.
        roll: Of the camera.
        turn: Of the head, left and right: how far its middle runs ahead of its rim.
        nod: Likewise, up and down.
        blink: How far the lids come down; blinks last seven frames, every thirty.
        talk: How far the mouth opens.
        disc: A disc passes in front of the face.
        pump: Share by which the light changes, slowly: a real change, which must stay.
    """

    shift: float = 0.3
    zoom: float = 0.05
    roll: float = 3
    turn: float = 0.2
    nod: float = 0.1
    blink: float = 0
    talk: float = 0
    disc: bool = False
    pump: float = 0


@dataclass(frozen=True, slots=True)
class Damage:
    """How frames become footage.

    Attributes:
        blur: Standard deviation in undamaged pixels.
        shrink: Undamaged : damaged side.
        noise: Standard deviation of each frame's own noise, in levels.
        crf: Constant rate factor of x264; higher is worse.
        flicker: Spread of the brightness of old film: gain, and offset in shares of the range.
        grey: Old film has no colour.
    """

    blur: float = 1.2
    shrink: int = 2
    noise: float = 4
    crf: int = 30
    flicker: float = 0
    grey: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """One video."""

    name: str
    photo: int
    motion: Motion
    damage: Damage = field(default_factory=Damage)
    length: int = 72


#: Tuned on.
TUNING = (
    Recipe("tune-turn", 0, Motion()),
    Recipe("tune-talk", 1, Motion(blink=0.28, talk=0.1, turn=0.1), Damage(crf=27)),
    Recipe("tune-still", 2, Motion(0.03, 0.01, 0.3, 0.03, 0.02), Damage(crf=34, noise=6)),
    Recipe("tune-disc", 3, Motion(disc=True, pump=0.2), Damage(shrink=3, noise=3, crf=26)),
)
#: Reported; none of these photos is tuned on.
REPORTED = (
    Recipe("turn", 4, Motion()),
    Recipe("fast", 5, Motion(1.0, 0.12, 8, 0.3, 0.2), Damage(crf=28)),
    Recipe("talk", 6, Motion(blink=0.28, talk=0.1, turn=0.1), Damage(crf=27)),
    Recipe("still", 7, Motion(0.03, 0.01, 0.3, 0.03, 0.02), Damage(crf=34, noise=6)),
    Recipe("disc", 8, Motion(disc=True), Damage(crf=26)),
    Recipe("light", 9, Motion(pump=0.25), Damage(shrink=3, noise=3, crf=26)),
)


class VideoInfo:
    """A video with its truth.

    Attributes:
        recipe: What it was made by.
        truth: Undamaged frames.
        damaged: What a user would have.
        points_xy: (frames, 5, 2) in undamaged pixels.
    """

    def __init__(self, recipe: Recipe, photo: Frame, points_xy: Float64Array) -> None:
        self.recipe = recipe
        self._world, self._anchor = _world(photo, points_xy)
        self._unit = float(np.linalg.norm(self._anchor[1] - self._anchor[0]))
        self.truth = [self._look(index) for index in range(recipe.length)]
        self.points_xy = np.array(
            [self._frame_from_world(index, self._anchor) for index in range(recipe.length)]
        )
        self.damaged = damage(self.truth, recipe.damage, seed=recipe.photo)

    def damaged_points(self, index: int) -> Float64Array:
        """(5, 2) in damaged pixels."""
        return transforms.scale_points(self.points_xy[index], 1 / self.recipe.damage.shrink)

    def previous_xy(self, index: int, points_xy: Float64Array) -> tuple[Float64Array, Any]:
        """Where points of a frame were one frame before.

        Args:
            index: Of the frame, at least 1.
            points_xy: (N, 2), undamaged pixels.

        Returns:
            (N, 2), and (N,) bool: whether they were seen in both frames.
        """
        world = self._world_from_frame(index, points_xy)
        before = self._frame_from_world(index - 1, world)
        off = np.abs(self._world_from_frame(index - 1, before) - world).max(axis=1)
        seen = (off < 0.3) & _inside(points_xy) & _inside(before)
        return before, seen & ~self._hidden(index, points_xy) & ~self._hidden(index - 1, before)

    def light(self, index: int) -> float:
        """The light of a frame, 1 where nothing changes."""
        return float(1 - self.recipe.motion.pump * (0.5 + 0.5 * np.sin(2 * np.pi * index / 50)))

    def lids(self, index: int) -> float:
        """How far the eyes are closed, 0 to 1."""
        return float(max(0.0, 1 - abs(index % 30 - 15) / 3.5)) if self.recipe.motion.blink else 0.0

    def _camera(self, index: int) -> Float64Array:
        """`frame_from_world`."""
        motion, t = self.recipe.motion, 2 * np.pi * index / 60
        scale = 0.62 * (1 + motion.zoom * np.sin(0.7 * t))
        angle = np.radians(motion.roll * np.sin(0.9 * t + 1))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sway = scale * self._unit * motion.shift
        target = np.array(FRAME_WH) / 2 + [sway * np.sin(t), 0.4 * sway * np.sin(1.3 * t)]
        return np.column_stack([turn, target - turn @ self._anchor.mean(axis=0)])

    def _bend(self, index: int, q: Float64Array) -> Any:
        """What head and face add to places of the world, (N, 2)."""
        motion, t, unit = self.recipe.motion, 2 * np.pi * index / 60, self._unit
        middle, eyes, mouth = self._anchor.mean(axis=0), self._anchor[:2], self._anchor[3:].mean(0)
        head = 0.75 * _bump(q, middle, 1.1 * unit, 1.4 * unit)
        ahead = head + 0.25 * _bump(q, self._anchor[2], 0.35 * unit, 0.45 * unit)
        bend = (
            -unit * ahead[:, None] * [motion.turn * np.sin(1.1 * t), motion.nod * np.sin(0.8 * t)]
        )
        for eye in eyes:
            down = _bump(q, eye - [0, 0.05 * unit], 0.3 * unit, 0.18 * unit)
            bend[:, 1] -= motion.blink * self.lids(index) * unit * down
        opening = motion.talk * (0.5 + 0.5 * np.sin(4.3 * t)) * unit
        bend[:, 1] -= opening * _bump(q, mouth + np.array([0, 0.15 * unit]), 0.5 * unit, 0.3 * unit)
        return bend

    def _world_from_frame(self, index: int, points_xy: Float64Array) -> Float64Array:
        flat = transforms.apply(transforms.invert(self._camera(index)), points_xy)
        world: Float64Array = flat + self._bend(index, flat)
        return world

    def _frame_from_world(self, index: int, world_xy: Float64Array) -> Float64Array:
        flat = np.array(world_xy)
        for _ in range(ROUNDS):
            flat = 0.5 * flat + 0.5 * (world_xy - self._bend(index, flat))
        return transforms.apply(self._camera(index), flat)

    def _disc(self, index: int) -> tuple[Float64Array, float]:
        """Middle and radius in frame pixels."""
        unit = 0.62 * self._unit
        along = (index - self.recipe.length / 2) * 0.14 * unit
        return np.array(FRAME_WH) / 2 + [along, 0.3 * unit], 0.8 * unit

    def _hidden(self, index: int, points_xy: Float64Array) -> Any:
        middle, radius = self._disc(index)
        inside = np.linalg.norm(points_xy - middle, axis=1) < radius + 2
        return inside & self.recipe.motion.disc

    def _look(self, index: int) -> Frame:
        width, height = FRAME_WH
        places = self._world_from_frame(index, _grid(width, height)).astype(np.float32)
        # Looked up at twice the size, then averaged, so that nothing aliases.
        fine_wh = 2 * width, 2 * height
        where = cv2.resize(places.reshape(height, width, 2), fine_wh)
        seen: Any = cv2.remap(
            self._world, where, _NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        if self.recipe.motion.disc:
            self._draw_disc(seen, index)
        frame = cv2.resize(seen, FRAME_WH, interpolation=cv2.INTER_AREA)
        return np.asarray(np.rint(frame * self.light(index)), np.uint8)

    def _draw_disc(self, seen: Frame, index: int) -> None:
        middle, radius = self._disc(index)
        x, y = (round(float(v)) for v in 2 * middle + 0.5)
        cv2.circle(seen, (x, y), round(2 * radius), (176, 134, 110), -1, cv2.LINE_AA)
        for ring in range(1, 6):
            cv2.circle(seen, (x, y), round(radius * ring / 3), (150, 108, 88), 3, cv2.LINE_AA)


def portraits(faces: Path) -> list[tuple[str, Frame, Float64Array]]:
    """Held-out portraits of 512 px, largest originals first: name, pixels, points."""
    lines = (faces / "crops.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if "/val/" in row["file"] and row["size"] == 512]
    rows = [row for row in rows if not row["grey"] and row["inside"] > 0.8]
    rows.sort(key=lambda row: (-row["native"], row["file"]))
    return [
        (
            row["file"],
            np.asarray(read_pixels(faces / row["file"]), np.uint8),
            np.array(row["points_xy"], np.float64),
        )
        for row in rows
    ]


def make_clips(recipes: Iterable[Recipe], faces: Path) -> list[VideoInfo]:
    """Make videos of held-out portraits."""
    photos = portraits(faces)
    return [VideoInfo(recipe, *photos[recipe.photo][1:]) for recipe in recipes]


def damage(frames: Sequence[Frame], how: Damage, seed: int) -> list[Frame]:
    """Undamaged frames → footage, through a real encoder and decoder."""
    rng = np.random.default_rng(seed)
    size_wh = frames[0].shape[1] // how.shrink, frames[0].shape[0] // how.shrink
    size_wh = size_wh[0] // 2 * 2, size_wh[1] // 2 * 2
    worn = []
    for frame in frames:
        soft = cv2.GaussianBlur(frame, (0, 0), how.blur)
        small = cv2.resize(soft, size_wh, interpolation=cv2.INTER_AREA).astype(np.float64)
        if how.grey:
            small[:] = small @ np.array([[0.299], [0.587], [0.114]])
        small *= 1 + how.flicker * rng.normal()
        small += 255 * how.flicker * 0.3 * rng.normal()
        small += how.noise * rng.normal(size=small.shape[:2] + ((1,) if how.grey else (3,)))
        worn.append(np.rint(np.clip(small, 0, 255)).astype(np.uint8))
    return h264(worn, how.crf)


def h264(frames: Sequence[Frame], crf: int) -> list[Frame]:
    """Frames after an encoder and a decoder of H.264; their sides must be even."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "medium"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as source:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in source.decode(video=0)
        ]


def _world(photo: Frame, points_xy: Float64Array) -> tuple[Frame, Float64Array]:
    """A portrait on a background with texture, its rim soft; and its points in the world."""
    rng = np.random.default_rng(7)
    width, height = WORLD_WH
    wall = np.zeros((height, width, 3), np.float32)
    for cells, level in ((6, 40), (60, 16)):
        noise = rng.normal(0, level, (cells * height // width, cells)).astype(np.float32)
        wall += cv2.resize(noise, WORLD_WH, interpolation=cv2.INTER_CUBIC)[..., None]
    wall += photo.reshape(-1, 3).mean(axis=0)
    side = photo.shape[0]
    left, top = (width - side) // 2, (height - side) // 2
    edge = np.minimum(np.arange(side), np.arange(side)[::-1])
    rim = np.clip(np.minimum(edge[:, None], edge[None]) / 24, 0, 1)[..., None]
    place = wall[top : top + side, left : left + side]
    place += rim * (photo - place)
    return np.rint(np.clip(wall, 0, 255)).astype(np.uint8), points_xy + np.array([left, top])


def _inside(points_xy: Float64Array) -> Any:
    """Whether points lie in the frame, (N,) bool."""
    return ((points_xy >= 0) & (points_xy <= np.subtract(FRAME_WH, 1))).all(axis=1)


def _bump(q: Float64Array, middle: Float64Array, wide: float, high: float) -> Any:
    """A Gaussian hill of height 1, (N,)."""
    x, y = (q - middle).T
    return np.exp(-(np.square(x / wide) + np.square(y / high)) / 2)


def _grid(width: int, height: int) -> Float64Array:
    """Every pixel's place, row by row, (width · height, 2)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
