"""Labelled photos: decoded once, mapped from disk, resampled along a matrix."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.images import transforms
from gpen.types import Float64Array

log = logging.getLogger("gpen")

Picture = NDArray[np.uint8]

#: Boxes grown by this share of their sides may show parts of a face.
FACELESS_MARGIN = 0.4
LEVELS = 4  # full size, 1/2, 1/4, 1/8


def as_picture(array: Any) -> Picture:
    """What OpenCV returned, which is typed as any array, as the uint8 image that it is."""
    image: Picture = np.asarray(array, dtype=np.uint8)
    return image


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
        shrink = 1 / transforms.scale_of(target_from_photo)
        level = int(np.clip(math.floor(math.log2(max(shrink, 1.0)) + 0.3), 0, LEVELS - 1))
        photo_from_level = transforms.scaling(2.0**level)
        matrix = transforms.compose(target_from_photo, photo_from_level)
        return as_picture(cv2.warpAffine(self.levels[level], matrix, size_wh, **options))


def load_photos(faces: Path, split: str, cache: Path) -> list[Photo]:
    """Photos of a split with their labels, decoded once into `cache` and mapped from there.

    Args:
        faces: The folder with `photos.jsonl`.
        split: "train" or "val".
        cache: Folder for the decoded pixels; about 2 GB for `train`.
    """
    rows = [
        json.loads(line)
        for line in (faces / "photos.jsonl").read_text(encoding="utf-8").splitlines()
    ]
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
            image = np.ascontiguousarray(
                as_picture(cv2.imread(str(faces / row["file"])))[..., ::-1]
            )
            if image.shape[:2] != (row["height"], row["width"]):
                raise ValueError(f"{row['file']}: size differs from its label")
            for height, width, _ in _level_shapes(row["height"], row["width"]):
                file.write(transforms.resize(image, (width, height)).tobytes())
    part.replace(store)


def middle_of(label: Label) -> Float64Array:
    """The middle of a label's box."""
    middle: Float64Array = (label.box_xyxy[:2] + label.box_xyxy[2:]) / 2
    return middle


def placing(
    middle: Float64Array, scale: float, turn: float, at: Float64Array, *, flip: bool = False
) -> Float64Array:
    """The matrix that brings `middle` to `at`, scaled, turned and perhaps mirrored."""
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    if flip:
        linear = linear @ np.diag([-1.0, 1.0])
    return np.column_stack([linear, at - linear @ middle])
