"""Training pictures for the face detector: mosaics for the finder, crops for the refiner.

Both come from labelled photos (`shared/faces/photos`): faces of any size and rotation, damaged
before the networks see them, and content without faces: regions of the photos away from every
label, drawn textures and text, and pieces of faces in the wrong order.

Everything is a function of a numpy random generator, so that a step can be repeated exactly.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .. import geometry
from ..detectors.crops import CROP_SIZE, EYE_DISTANCE, TEMPLATE_XY, cut_crop, ellipse_box
from ..types import Float64Array

log = logging.getLogger("gpen")

Picture = NDArray[np.uint8]
Random = np.random.Generator

#: Points after a left-right flip.
FLIPPED = [1, 0, 2, 4, 3]
#: Boxes grown by this share of their sides may show parts of a face.
FACELESS_MARGIN = 0.4
LEVELS = 4  # full size, 1/2, 1/4, 1/8


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """A labelled face of a photo: box, five points, and whether two detectors agree on them."""

    box_xyxy: Float64Array
    points_xy: Float64Array
    verified: bool

    @property
    def size(self) -> float:
        """Square root of the box's area, in pixels; stays the same when the face is turned."""
        x_min, y_min, x_max, y_max = self.box_xyxy
        return float(math.sqrt((x_max - x_min) * (y_max - y_min)))


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo with ever smaller copies of itself, and its labels."""

    levels: tuple[Picture, ...]
    labels: tuple[Label, ...]

    def faceless(self, box_xyxy: Float64Array) -> bool:
        """Whether a box stays clear of every label grown by `FACELESS_MARGIN`."""
        for label in self.labels:
            grow = FACELESS_MARGIN * (label.box_xyxy[2:] - label.box_xyxy[:2])
            low, high = label.box_xyxy[:2] - grow, label.box_xyxy[2:] + grow
            if (box_xyxy[:2] < high).all() and (box_xyxy[2:] > low).all():
                return False
        return True

    def warp(
        self, target_from_photo: Float64Array, size_wh: tuple[int, int], **options: Any
    ) -> Picture:
        """Resample the photo, from the copy nearest above the target's resolution."""
        shrink = 1 / geometry.scale_of(target_from_photo)
        level = int(np.clip(math.floor(math.log2(max(shrink, 1.0)) + 0.3), 0, LEVELS - 1))
        photo_from_level = geometry.scaling(2.0**level)
        matrix = geometry.compose(target_from_photo, photo_from_level)
        warped: Picture = cv2.warpAffine(self.levels[level], matrix, size_wh, **options)
        return warped


def load_photos(faces: Path, split: str, cache: Path) -> list[Photo]:
    """Photos of a split with their labels, decoded once into `cache` and mapped from there.

    Args:
        faces: The folder with `photos.jsonl`.
        split: "train" or "val".
        cache: Folder for the decoded pixels; about 2 GB for `train`.
    """
    rows = [json.loads(line) for line in (faces / "photos.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["file"].split("/")[1] == split]
    store = cache / f"{split}.pixels"
    if not store.exists():
        _decode(faces, rows, store)
    pixels = np.memmap(store, np.uint8, "r")
    photos, offset = [], 0
    for row in rows:
        levels = []
        for shape in _level_shapes(row["height"], row["width"]):
            count = math.prod(shape)
            levels.append(pixels[offset : offset + count].reshape(shape))
            offset += count
        labels = tuple(
            Label(
                np.array(face["box_xyxy"], np.float64),
                np.array(face["points_xy"], np.float64),
                bool(face["verified"]),
            )
            for face in row["faces"]
        )
        photos.append(Photo(tuple(levels), labels))
    log.info("%s: %d photos, %d faces", split, len(photos), sum(len(p.labels) for p in photos))
    return photos


def _level_shapes(height: int, width: int) -> list[tuple[int, int, int]]:
    return [(max(1, height >> n), max(1, width >> n), 3) for n in range(LEVELS)]


def _decode(faces: Path, rows: Sequence[dict[str, Any]], store: Path) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    part = store.with_name(f"{store.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        for row in rows:
            picture = cv2.cvtColor(cv2.imread(str(faces / row["file"])), cv2.COLOR_BGR2RGB)
            if picture.shape[:2] != (row["height"], row["width"]):
                raise ValueError(f"{row['file']}: size differs from its label")
            for height, width, _ in _level_shapes(row["height"], row["width"]):
                file.write(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
    part.replace(store)


# --- content without faces ------------------------------------------------------------------------


def gradient(rng: Random, size: int) -> Picture:
    """A smooth ramp between two colours, in any direction."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:size, 0:size] / max(1, size - 1) - 0.5
    ramp = (x * math.cos(angle) + y * math.sin(angle) + 0.7) / 1.4
    if rng.random() < 0.4:
        ramp = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
    first, second = rng.integers(0, 256, (2, 3))
    return np.clip(first + ramp[..., None] * (second - first), 0, 255).astype(np.uint8)


def cloud(rng: Random, size: int) -> Picture:
    """Noise of several scales: bark, fur, leaves, clouds."""
    total = np.zeros((size, size, 3), np.float32)
    gray = rng.random() < 0.5
    roughness = rng.uniform(0.4, 1.1)
    cells = int(rng.integers(2, 6))
    weight = 1.0
    while cells < size:
        noise = rng.standard_normal((cells, cells, 1 if gray else 3)).astype(np.float32)
        layer = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
        total += weight * layer.reshape(size, size, -1)
        cells, weight = cells * 2, weight * roughness
    total *= rng.uniform(20, 70) / max(1e-3, float(total.std()))
    return np.clip(total + rng.integers(40, 216, 3), 0, 255).astype(np.uint8)


def stripes(rng: Random, size: int) -> Picture:
    """Parallel or crossed stripes: blinds, bricks, cloth."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle, period = rng.uniform(0, math.pi), rng.uniform(3, max(4, size / 3))
    wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period)
    if rng.random() < 0.5:
        period *= rng.uniform(0.5, 2)
        wave = wave * np.sin((y * math.cos(angle) - x * math.sin(angle)) * 2 * math.pi / period)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    first, second = rng.integers(0, 256, (2, 3))
    return (first + (wave[..., None] + 1) / 2 * (second - first)).astype(np.uint8)


def lettering(rng: Random, size: int) -> Picture:
    """Lines of random letters and digits."""
    picture = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?()@&%8oO0°")
    color = [int(c) for c in rng.integers(0, 256, 3)]
    scale = rng.uniform(0.25, 1.8)
    step = max(6, int(scale * 34))
    font = int(rng.choice([0, 1, 2, 3, 4, 6, 7]))
    for y in range(step, size + step, step):
        text = "".join(rng.choice(letters, int(rng.integers(3, 20))))
        at = (int(rng.integers(-20, max(1, size // 3))), y)
        cv2.putText(picture, text, at, font, scale, color, int(rng.integers(1, 4)), cv2.LINE_AA)
    return picture


def shapes(rng: Random, size: int) -> Picture:
    """Discs, boxes and lines over each other; some discs hold dots without the order of a face."""
    picture = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(int(rng.integers(3, 24))):
        color = [int(c) for c in rng.integers(0, 256, 3)]
        x, y = (int(v) for v in rng.integers(0, size, 2))
        a, b = (int(v) for v in rng.integers(2, max(4, size // 3), 2))
        fill = -1 if rng.random() < 0.7 else int(rng.integers(1, 4))
        kind = rng.random()
        if kind < 0.5:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(picture, (x, y), (a, b), turn, 0, 360, color, fill, cv2.LINE_AA)
            for _ in range(int(rng.integers(0, 4))):
                dot = (x + int(rng.integers(-a, a)), y + int(rng.integers(-b, b)))
                radius = max(1, a // int(rng.integers(4, 10)))
                cv2.circle(picture, dot, radius, [255 - c for c in color], -1, cv2.LINE_AA)
        elif kind < 0.8:
            cv2.rectangle(picture, (x, y), (x + a, y + b), color, fill)
        else:
            cv2.line(picture, (x, y), (x + 3 * a, y - 2 * b), color, abs(fill) + 1, cv2.LINE_AA)
    return picture


def shuffled(rng: Random, photo: Photo, size: int) -> Picture:
    """A photo cut into pieces that are turned and put together in the wrong order."""
    pieces = int(rng.integers(3, 6))
    side = math.ceil(size / pieces)
    small = cv2.resize(photo.levels[1], (side * pieces, side * pieces))
    blocks = small.reshape(pieces, side, pieces, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    order = rng.permutation(len(blocks))
    turned = [np.rot90(blocks[n], int(rng.integers(4))) for n in order]
    rows = [np.hstack(turned[n : n + pieces]) for n in range(0, len(turned), pieces)]
    return np.ascontiguousarray(np.vstack(rows)[:size, :size])


TEXTURES: tuple[Callable[[Random, int], Picture], ...] = (
    gradient,
    cloud,
    stripes,
    lettering,
    shapes,
)


def texture(rng: Random, size: int) -> Picture:
    """A drawn picture without faces, (size, size, 3)."""
    return TEXTURES[int(rng.integers(len(TEXTURES)))](rng, size)


def faceless_region(rng: Random, photo: Photo, size: int) -> Picture | None:
    """A square of a photo away from every label, turned and scaled; None where none was found."""
    height, width = photo.levels[0].shape[:2]
    for _ in range(6):
        side = float(np.exp(rng.uniform(math.log(12), math.log(max(16, min(width, height))))))
        middle = rng.uniform([side / 2, side / 2], [max(width - side / 2, side / 2 + 1),
                                                    max(height - side / 2, side / 2 + 1)])
        if photo.faceless(np.concatenate([middle - side / 2, middle + side / 2])):
            matrix = _placing(
                middle, size / side / 1.0, float(rng.integers(4)) * math.pi / 2,
                np.array([(size - 1) / 2] * 2)
            )
            return photo.warp(
                matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
    return None


# --- damage ---------------------------------------------------------------------------------------

_NOISE = np.random.default_rng(0).standard_normal((512, 512, 3)).astype(np.float32)


def damage(rng: Random, picture: Picture, face_px: float) -> Picture:
    """The degradations of the published recipe and a few that old photos have, at random.

    Args:
        rng: Source of chance.
        picture: uint8 RGB.
        face_px: Size of its smallest face in pixels; blur and shrinking leave that recognisable.
    """
    picture = soften(rng, picture, face_px)
    if rng.random() < 0.6:
        picture = recolor(rng, picture)
    if rng.random() < 0.25:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        picture = np.repeat(gray[..., None], 3, axis=2)
        if rng.random() < 0.2:  # sepia
            tint = np.array([1.0, rng.uniform(0.8, 0.95), rng.uniform(0.6, 0.85)])
            picture = (picture * tint).astype(np.uint8)
    if rng.random() < 0.55:
        picture = add_noise(rng, picture, rng.uniform(1, 20))
    if rng.random() < 0.6:
        quality = int(rng.uniform(30, 96))
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = cv2.imdecode(code, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)
    return picture


def soften(rng: Random, picture: Picture, face_px: float) -> Picture:
    """Blur, or shrink and enlarge again, within what a face of `face_px` survives."""
    if rng.random() < 0.35:
        sigma = rng.uniform(0.2, min(6.0, max(0.5, 0.06 * face_px)))
        other = sigma if rng.random() < 0.6 else sigma * rng.uniform(0.2, 1)
        picture = cv2.GaussianBlur(picture, (0, 0), sigma, sigmaY=other).astype(np.uint8, copy=False)
    if rng.random() < 0.3:
        factor = rng.uniform(1, min(8.0, max(1.2, face_px / 12)))
        height, width = picture.shape[:2]
        small_wh = (max(2, round(width / factor)), max(2, round(height / factor)))
        small = cv2.resize(picture, small_wh, interpolation=int(rng.choice([1, 2, 3])))
        if rng.random() < 0.5:
            small = add_noise(rng, small.astype(np.uint8, copy=False), rng.uniform(1, 15))
        picture = cv2.resize(small, (width, height), interpolation=int(rng.choice([1, 2])))
    return picture


def recolor(rng: Random, picture: Picture) -> Picture:
    """Another brightness, contrast, gamma and white balance."""
    level = np.arange(256) / 255
    gamma, gain, offset = rng.uniform(0.6, 1.6), rng.uniform(0.6, 1.3), rng.uniform(-0.1, 0.15)
    gains = gain * rng.uniform(0.85, 1.15, 3) if rng.random() < 0.5 else np.full(3, gain)
    tables = np.clip(255 * (level[:, None] ** gamma * gains + offset), 0, 255).astype(np.uint8)
    recolored: Picture = cv2.LUT(picture, tables[:, None, :].reshape(1, 256, 3))
    return recolored


def add_noise(rng: Random, picture: Picture, sigma: float) -> Picture:
    """Gaussian noise, of colour or of brightness."""
    height, width = picture.shape[:2]
    bank = _NOISE.shape[0]
    if height > bank or width > bank:
        noise = rng.standard_normal((height, width, 3), np.float32)
    else:
        y, x = int(rng.integers(bank - height + 1)), int(rng.integers(bank - width + 1))
        noise = _NOISE[y : y + height, x : x + width]
    if rng.random() < 0.4:
        noise = np.repeat(noise[..., :1], 3, axis=2)
    noisy: Picture = cv2.add(picture, noise * np.float32(sigma), dtype=cv2.CV_8U)
    return noisy


def occlude(rng: Random, picture: Picture, points_xy: Float64Array, size: float) -> None:
    """Cover part of a face, in place: a hand, a bar over the eyes, a mask, a scratch."""
    color = [int(c) for c in rng.integers(0, 256, 3)]
    kind = rng.random()
    if kind < 0.5:
        middle = points_xy[int(rng.integers(5))] + rng.normal(0, 0.25 * size, 2)
        axes = np.maximum(1, rng.uniform(0.08, 0.3, 2) * size).astype(int)
        at = (int(middle[0]), int(middle[1]))
        if rng.random() < 0.5:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(picture, at, (int(axes[0]), int(axes[1])), turn, 0, 360, color, -1)
        else:
            corner = (at[0] + int(axes[0]), at[1] + int(axes[1]))
            cv2.rectangle(picture, at, corner, color, -1)
    elif kind < 0.7:
        pair = points_xy[:2] if rng.random() < 0.6 else points_xy[3:]
        along = (pair[1] - pair[0]) * rng.uniform(0.1, 0.4)
        start, end = (pair[0] - along).astype(int), (pair[1] + along).astype(int)
        thickness = max(1, int(size * rng.uniform(0.08, 0.25)))
        cv2.line(picture, tuple(map(int, start)), tuple(map(int, end)), color, thickness)
    else:
        for _ in range(int(rng.integers(1, 4))):
            ends = points_xy.mean(axis=0) + rng.normal(0, 0.6 * size, (2, 2))
            thickness = max(1, int(size * rng.uniform(0.01, 0.06)))
            start, end = (tuple(map(int, e)) for e in ends)
            cv2.line(picture, start, end, color, thickness, cv2.LINE_AA)


# --- mosaics for the finder -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A face of a training picture; `certain` ones must be found, others may be."""

    box_xyxy: Float64Array
    points_xy: Float64Array
    size: float
    certain: bool
    placed: bool  # the points are trustworthy


def mosaic(rng: Random, photos: Sequence[Photo], side: int) -> tuple[Picture, list[Target]]:
    """A square patchwork of photo parts with faces of all sizes and turns, and of other things.

    Args:
        rng: Source of chance.
        photos: What to take the parts from.
        side: Side of the mosaic in pixels.

    Returns:
        uint8 RGB (side, side, 3) and its faces.
    """
    canvas = np.zeros((side, side, 3), np.uint8)
    targets: list[Target] = []
    for x, y, width, height in _cells(rng, side, side, int(rng.integers(0, 5))):
        part, found = _cell(rng, photos, width, height)
        canvas[y : y + height, x : x + width] = part
        shift = np.array([x, y], np.float64)
        for t in found:
            box = t.box_xyxy + np.concatenate([shift, shift])
            targets.append(Target(box, t.points_xy + shift, t.size, t.certain, t.placed))
    smallest = min((t.size for t in targets), default=40.0)
    return damage(rng, canvas, smallest), targets


def _cells(rng: Random, width: int, height: int, depth: int) -> list[tuple[int, int, int, int]]:
    """Cut a rectangle in two, `depth` times over, at uneven places."""
    if depth == 0 or min(width, height) < 28 or rng.random() < 0.1:
        return [(0, 0, width, height)]
    share = rng.uniform(0.3, 0.7)
    if rng.random() < width / (width + height):
        cut = int(width * share)
        second = [(x + cut, y, w, h) for x, y, w, h in _cells(rng, width - cut, height, depth - 1)]
        return _cells(rng, cut, height, depth - 1) + second
    cut = int(height * share)
    second = [(x, y + cut, w, h) for x, y, w, h in _cells(rng, width, height - cut, depth - 1)]
    return _cells(rng, width, cut, depth - 1) + second


def _cell(
    rng: Random, photos: Sequence[Photo], width: int, height: int
) -> tuple[Picture, list[Target]]:
    photo = photos[int(rng.integers(len(photos)))]
    size = max(width, height)
    if rng.random() < 0.2:
        other = shuffled(rng, photo, size) if rng.random() < 0.2 else None
        if other is None and rng.random() < 0.6:
            other = faceless_region(rng, photo, size)
        if other is None:
            other = texture(rng, size)
        return other[:height, :width], []
    label = photo.labels[int(rng.integers(len(photo.labels)))]
    largest = 0.95 * min(width, height)
    face = float(np.exp(rng.uniform(math.log(9), math.log(max(14, largest)))))
    turn = rng.uniform(-0.5, 0.5) if rng.random() < 0.4 else rng.uniform(-math.pi, math.pi)
    flip = rng.random() < 0.5
    at = rng.uniform([0, 0], [width, height])
    reach = np.minimum(0.5 * face, np.array([width, height]) / 2)
    if rng.random() < 0.85:  # else it may be cut by the edge
        at = np.clip(at, reach, np.array([width, height]) - reach)
    matrix = _placing(_middle(label), face / label.size, turn, at, flip=flip)
    part = _paste(rng, photos, photo, matrix, (width, height))
    targets = [_target(other, matrix, flip, width, height) for other in photo.labels]
    targets = [t for t in targets if t is not None]
    for target in targets:
        if rng.random() < 0.12:
            occlude(rng, part, target.points_xy, target.size)
    if rng.random() < 0.3:
        part = soften(rng, part, face)
    return part, targets


def _paste(
    rng: Random,
    photos: Sequence[Photo],
    photo: Photo,
    matrix: Float64Array,
    size_wh: tuple[int, int],
) -> Picture:
    """A photo brought to its place; beyond its border lies something else, or its edge."""
    width, height = size_wh
    kind = rng.random()
    if kind < 0.4:
        return photo.warp(
            matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    other = photos[int(rng.integers(len(photos)))]
    ground = faceless_region(rng, other, max(size_wh)) if kind < 0.75 else None
    if ground is None:
        ground = texture(rng, max(size_wh))
    ground = np.ascontiguousarray(ground[:height, :width])
    return photo.warp(
        matrix, size_wh, dst=ground, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )


def _middle(label: Label) -> Float64Array:
    middle: Float64Array = (label.box_xyxy[:2] + label.box_xyxy[2:]) / 2
    return middle


def _placing(
    middle: Float64Array, scale: float, turn: float, at: Float64Array, *, flip: bool = False
) -> Float64Array:
    """The matrix that brings `middle` to `at`, scaled, turned and perhaps mirrored."""
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    if flip:
        linear = linear @ np.diag([-1.0, 1.0])
    return np.column_stack([linear, at - linear @ middle])


def _target(
    label: Label, matrix: Float64Array, flip: bool, width: int, height: int
) -> Target | None:
    """A label as it lies in a cell; None where nothing of it shows."""
    points = geometry.apply(matrix, label.points_xy)
    if flip:
        points = points[FLIPPED]
    box = ellipse_box(label.box_xyxy, matrix)
    size = label.size * geometry.scale_of(matrix)
    low, high = np.maximum(box[:2], -0.5), np.minimum(box[2:], [width - 0.5, height - 0.5])
    if (high <= low).any():
        return None
    shown = float(np.prod(high - low) / np.prod(box[2:] - box[:2]))
    inside = ((points > -0.5) & (points < [width - 0.5, height - 0.5])).all(axis=1).sum()
    certain = shown > 0.6 and inside >= 4 and size >= 8
    return Target(box, points, size, certain, label.verified)


# --- crops for the refiner ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class RefinerSample:
    """A crop and what the refiner should say of it, in its own units (see `Refiner.forward`)."""

    crop: Picture
    is_face: bool
    answer: NDArray[np.float32]  # (14,): points, box centre, box log size
    placed: bool


#: Side of a mistake's picture: the refiner's crop with a margin.
MISTAKE_SIZE = 96


def refiner_sample(
    rng: Random, photos: Sequence[Photo], mistakes: Sequence[Picture] = ()
) -> RefinerSample:
    """A crop as the finder would hand it over: of a face, or of what looks like one."""
    kind = rng.random()
    if kind < 0.62:
        return _face_sample(rng, photos)
    if kind < 0.72:
        return _misplaced_sample(rng, photos)
    if len(mistakes) and kind < 0.92:
        return _mistake_sample(rng, mistakes)
    return _other_sample(rng, photos)


def _face_size(rng: Random) -> float:
    """Mostly small: that is where placing points is hard."""
    low, high = (8, 48) if rng.random() < 0.65 else (40, 200)
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _scene(
    rng: Random, photo: Photo, label: Label, face: float
) -> tuple[Picture, Float64Array, Target]:
    """A damaged patch of a photo around a face of size `face`, with its label."""
    turn = rng.uniform(-0.5, 0.5) if rng.random() < 0.6 else rng.uniform(-math.pi, math.pi)
    side = math.ceil(face * 2.7) + 4
    at = (side - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    flip = rng.random() < 0.5
    matrix = _placing(_middle(label), face / label.size, turn, at, flip=flip)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.6 else cv2.BORDER_CONSTANT
    patch = photo.warp(matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    target = _target(label, matrix, flip, side, side)
    assert target is not None  # it lies in the middle
    if rng.random() < 0.2:
        occlude(rng, patch, target.points_xy, face)
    patch = damage(rng, patch, face)
    if rng.random() < 0.1:  # a face cut by the border of the photo
        cut = int(side * rng.uniform(0.2, 0.42))
        patch = np.rot90(patch, int(k := rng.integers(4)))
        edge = patch[cut : cut + 1] if border == cv2.BORDER_REPLICATE else np.zeros_like(patch[:1])
        patch = np.vstack([np.repeat(edge, cut, axis=0), patch[cut:]])
        patch = np.ascontiguousarray(np.rot90(patch, -int(k)))
    return patch, matrix, target


def _jitter(rng: Random, amount: float) -> Float64Array:
    """A crop a little off: shift in box widths, scale, rotation; the finder's kind of error."""
    half = (CROP_SIZE - 1) / 2
    at = half + rng.uniform(-1, 1, 2) * amount * 0.15 * EYE_DISTANCE / 0.447
    scale = math.exp(rng.uniform(-1, 1) * amount * 0.22)
    turn = rng.uniform(-1, 1) * amount * math.radians(20)
    return _placing(np.array([half, half]), scale, turn, at)


def _face_sample(rng: Random, photos: Sequence[Photo]) -> RefinerSample:
    photo = photos[int(rng.integers(len(photos)))]
    label = photo.labels[int(rng.integers(len(photo.labels)))]
    patch, _, target = _scene(rng, photo, label, _face_size(rng))
    upright = geometry.fit_similarity(target.points_xy, TEMPLATE_XY)
    amount = float(rng.choice([1.0, 0.5, 0.2]))
    crop_from_patch = geometry.compose(_jitter(rng, amount), upright)
    answer = refiner_answer(target, crop_from_patch, label)
    return RefinerSample(cut_crop(patch, crop_from_patch), True, answer, target.placed)


def refiner_answer(
    target: Target, crop_from_patch: Float64Array, label: Label
) -> NDArray[np.float32]:
    """Points, box centre and box size in the refiner's units."""
    points = (geometry.apply(crop_from_patch, target.points_xy) - TEMPLATE_XY) / EYE_DISTANCE
    middle = geometry.apply(crop_from_patch, (target.box_xyxy[:2] + target.box_xyxy[2:]) / 2)
    middle = (middle - (CROP_SIZE - 1) / 2) / EYE_DISTANCE
    size_wh = label.box_xyxy[2:] - label.box_xyxy[:2]
    scale = target.size / label.size * geometry.scale_of(crop_from_patch) / EYE_DISTANCE
    return np.concatenate([points.ravel(), middle, np.log(size_wh * scale)]).astype(np.float32)


_NOTHING = np.zeros(14, np.float32)


def _misplaced_sample(rng: Random, photos: Sequence[Photo]) -> RefinerSample:
    """A face, but turned the wrong way, far too large or small, or beside the crop."""
    photo = photos[int(rng.integers(len(photos)))]
    label = photo.labels[int(rng.integers(len(photo.labels)))]
    patch, _, target = _scene(rng, photo, label, _face_size(rng) * 1.5)
    half = (CROP_SIZE - 1) / 2
    at, scale, turn = np.array([half, half]), 1.0, float(rng.uniform(-0.3, 0.3))
    kind = rng.random()
    if kind < 0.35:
        turn = float(rng.uniform(math.radians(65), math.radians(295)))
    elif kind < 0.75:
        scale = float(rng.uniform(2.4, 5.0))
        direction = rng.uniform(0, 2 * math.pi)
        away = rng.uniform(0, 0.5) * CROP_SIZE * scale / 2
        at = at + away * np.array([math.cos(direction), math.sin(direction)])
    else:
        direction = rng.uniform(0, 2 * math.pi)
        away = rng.uniform(0.75, 1.3) * EYE_DISTANCE / 0.447
        at = at + away * np.array([math.cos(direction), math.sin(direction)])
    upright = geometry.fit_similarity(target.points_xy, TEMPLATE_XY)
    wrong = _placing(np.array([half, half]), scale, turn, at)
    crop = cut_crop(patch, geometry.compose(wrong, upright))
    return RefinerSample(crop, False, _NOTHING, False)


def _mistake_sample(rng: Random, mistakes: Sequence[Picture]) -> RefinerSample:
    """What the finder took for a face: (MISTAKE_SIZE, MISTAKE_SIZE, 3), upright as it thought."""
    picture = mistakes[int(rng.integers(len(mistakes)))]
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    if rng.random() < 0.5:
        picture = damage(rng, picture, EYE_DISTANCE * 2)
    margin = (MISTAKE_SIZE - CROP_SIZE) / 2
    matrix = geometry.compose(_jitter(rng, 1.0), geometry.shifting(-margin, -margin))
    return RefinerSample(cut_crop(picture, matrix), False, _NOTHING, False)


def _other_sample(rng: Random, photos: Sequence[Photo]) -> RefinerSample:
    photo = photos[int(rng.integers(len(photos)))]
    side = int(rng.integers(16, 97))
    patch = faceless_region(rng, photo, side) if rng.random() < 0.6 else None
    if patch is None:
        whole = shuffled(rng, photo, side) if rng.random() < 0.25 else texture(rng, side)
        patch = whole
    patch = damage(rng, patch, side / 2)
    half = (CROP_SIZE - 1) / 2
    scale = CROP_SIZE / side * float(rng.uniform(1.0, 1.5))
    turn = float(rng.uniform(-math.pi, math.pi))
    matrix = _placing(np.full(2, (side - 1) / 2), scale, turn, np.array([half, half]))
    return RefinerSample(cut_crop(patch, matrix), False, _NOTHING, False)
