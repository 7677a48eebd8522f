"""Hard faces, and images without a face, for `benchmarks/detector.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.faces.detectors.refinement_crops import ellipse_box
from gpen.images import transforms
from gpen.types import Float64Array
from tools.detector.faceless import faceless_region, fractal, texture
from tools.detector.photos import Label, Photo, as_picture, middle_of, placing

Picture = NDArray[np.uint8]
#: How far the nose of a profile lies from the middle of the eyes, in distances of the eyes.
PROFILE = 0.45
TEXTURES = 60


@dataclass(frozen=True, slots=True)
class Scene:
    """An image of one face, and where the face is."""

    image: Picture
    box_xyxy: Float64Array
    points_xy: Float64Array


def place(photo: Photo, label: Label, size: float, turn: float, side: int) -> Scene:
    """The labelled face in the middle of a square, at a size and rotation (degrees)."""
    middle = np.full(2, (side - 1) / 2)
    matrix = placing(middle_of(label), size / label.size, math.radians(turn), middle)
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    image = photo.warp(matrix, (side, side), **options)
    box = ellipse_box(label.box_xyxy, matrix)
    return Scene(image, box, transforms.apply(matrix, label.points_xy))


def with_noise(image: Picture, sigma: float, seed: int) -> Picture:
    """Gaussian noise, the same for the same seed."""
    noisy = image + np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def is_profile(label: Label) -> bool:
    """Whether a head is turned far to the side, by its points."""
    left, right, nose = label.points_xy[:3]
    along = (right - left) / np.hypot(*(right - left))
    off = float(np.dot(nose - (left + right) / 2, along)) / float(np.hypot(*(right - left)))
    return abs(off) > PROFILE


def _half(photo: Photo, label: Label) -> Scene:
    """The border of the image cuts the face just beside its middle: an eye and half the mouth."""
    scene = place(photo, label, 96, 0, 320)
    cut = int((scene.box_xyxy[0] + scene.box_xyxy[2]) / 2 - 0.06 * 96)
    shift = np.array([cut, 0, cut, 0], np.float64)
    box = np.maximum(scene.box_xyxy - shift, 0)
    return Scene(np.ascontiguousarray(scene.image[:, cut:]), box, scene.points_xy - (cut, 0))


def _filling(photo: Photo, label: Label) -> Scene:
    return place(photo, label, 270, 0, 300)


def _coarse(photo: Photo, label: Label) -> Scene:
    """Shrunk 16 times, with noise, and enlarged again: the face of a crop of 256 px keeps 9 px."""
    scene = place(photo, label, 144, 0, 256)
    small = with_noise(transforms.resize(scene.image, (16, 16)), 10, 1)
    return Scene(transforms.resize(small, (256, 256)), scene.box_xyxy, scene.points_xy)


def _dark(photo: Photo, label: Label) -> Scene:
    scene = place(photo, label, 64, 0, 256)
    dark = as_picture(np.rint(scene.image * 0.12))
    return Scene(with_noise(dark, 4, 2), scene.box_xyxy, scene.points_xy)


def _upright(photo: Photo, label: Label) -> Scene:
    return place(photo, label, 64, 0, 320)


Maker = Callable[[Photo, Label], Scene]
#: Name of a case, which labels it is made of, and how.
CASES: tuple[tuple[str, Callable[[Label], bool], Maker], ...] = (
    ("profile, 64 px", is_profile, _upright),
    ("half a face at the border, 96 px", lambda label: not is_profile(label), _half),
    ("90 % of the frame, 270 px", lambda _: True, _filling),
    ("a crop of 256 px shrunk ×16, noise", lambda _: True, _coarse),
    ("dark (12 %), noise, 64 px", lambda _: True, _dark),
)


def faceless(photos: Sequence[Photo], folder: Path | None) -> Iterator[tuple[str, Picture]]:
    """Images without a face, each with its kind: 192 px, and those of a folder as they are."""
    random = np.random.default_rng(99)
    for photo in photos:
        region = faceless_region(random, photo, 192)
        if region is not None:
            yield "beside faces", region
    for _ in range(TEXTURES):
        yield "textures", texture(random, 192)
    for _ in range(TEXTURES):
        yield "fractals", fractal(random, 256)
    for file in sorted(folder.iterdir() if folder else ()):
        yield "given folder", as_picture(as_picture(cv2.imread(str(file)))[..., ::-1])
