"""Whole images with faces whose truth is known, and what happens to such images.

Faces are held-out 512 px crops, each put into a square photo at a chosen size. Faces larger than
their crops are enlarged, and their edges made crisp again without overshoot: they hold no more
detail than the crop, but look as sharp.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.images import transforms
from gpen.training.entries import list_entries

Pixels8 = NDArray[np.uint8]
#: Longer side of the box around a face, in sides of its crop.
FACE_OF_CROP = 0.56
#: Faces side by side in a photo, by the share of its side that a crop takes.
MARGIN = 1.15
#: Side of the crops, and the share of it at which a face must have been captured.
CROP_PX, DETAIL = 512, 0.86


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo and its faces.

    Attributes:
        pixels: RGB, (side, side, 3).
        names: Of its faces.
        points_xy: (faces, 5, 2), in pixels.
        crops_xyxy: (faces, 4), the square of each crop.
    """

    pixels: Pixels8
    names: list[str]
    points_xy: NDArray[np.float64]
    crops_xyxy: NDArray[np.float64]


def held_out(folder: Path) -> list[dict[str, Any]]:
    """Rows of `crops.jsonl`: sharp, coloured crops of `val`, of the half that chose no weights.

    Sharpness and half are those of `configs/default.toml` and decided as `gpen.training.validation`
    does it: figures are never told of a face by which the shipped weights were chosen.
    """
    folder = folder.resolve()  # as entries are
    entries, _ = list_entries(folder / "crops" / "val")
    sharp = [entry.path for entry in entries if entry.native >= DETAIL * CROP_PX]
    odd = {path.relative_to(folder).as_posix() for path in sharp[1::2]}
    rows = [json.loads(line) for line in (folder / "crops.jsonl").read_text().splitlines()]
    return [row for row in rows if row["file"] in odd and not row["grey"]]


def build(rows: Sequence[Mapping[str, Any]], folder: Path, face_px: int, side: int) -> list[Photo]:
    """Photos of a side with faces of a size, as many in each as have room."""
    crop_side = round(face_px / FACE_OF_CROP)
    across = max(1, int(side / (crop_side * MARGIN)))
    across = min(across, 3)
    photos = []
    for first in range(0, len(rows), across**2):
        photos.append(_photo(rows[first : first + across**2], folder, crop_side, across, side))
    return photos


def _photo(
    rows: Sequence[Mapping[str, Any]], folder: Path, crop_side: int, across: int, side: int
) -> Photo:
    canvas = np.full((side, side, 3), 118, np.uint8)
    cell, points, boxes = side // across, [], []
    for number, row in enumerate(rows):
        crop = _resized(_read(folder / row["file"]), crop_side)
        x0, y0 = (number % across) * cell, (number // across) * cell
        patch, left, top = _framed(crop, cell)
        canvas[y0 : y0 + cell, x0 : x0 + cell] = patch
        scaled = transforms.scale_points(np.array(row["points_xy"]), crop_side / row["size"])
        points.append(scaled + np.array([x0 + left, y0 + top]))
        boxes.append((x0 + left, y0 + top, x0 + left + crop_side, y0 + top + crop_side))
    names = [Path(row["file"]).stem for row in rows]
    return Photo(canvas, names, np.array(points), np.array(boxes, np.float64))


def _framed(crop: Pixels8, cell: int) -> tuple[Pixels8, int, int]:
    """A crop in the middle of a square, its border going on outside of it ever softer."""
    if len(crop) >= cell:
        cut = (len(crop) - cell) // 2
        return crop[cut : cut + cell, cut : cut + cell], -cut, -cut
    left = top = (cell - len(crop)) // 2
    right = cell - len(crop) - left
    wide = cv2.copyMakeBorder(crop, top, right, left, right, cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(wide, (0, 0), max(1.0, len(crop) / 24))
    inside = np.zeros((cell, cell), np.float32)
    inside[top : top + len(crop), left : left + len(crop)] = 1
    patch = np.where(inside[..., None] > 0, wide, soft)
    return np.asarray(patch, np.uint8), left, top


def _read(path: Path) -> Pixels8:
    bgr: Any = cv2.imread(str(path))
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _resized(crop: Pixels8, side: int) -> Pixels8:
    if side <= len(crop):
        return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    large: Any = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    radius = 2 * round(side / len(crop)) + 1
    kernel = np.ones((radius, radius), np.uint8)
    low, high = cv2.erode(large, kernel), cv2.dilate(large, kernel)
    for _ in range(3):
        blurred = cv2.GaussianBlur(large, (0, 0), side / len(crop) * 0.7)
        large = np.clip(cv2.addWeighted(large, 1.8, blurred, -0.8, 0), low, high)
    return np.asarray(large, np.uint8)


def resized(factor: float) -> Callable[[Pixels8, np.random.Generator], Pixels8]:
    """Shrunk by a factor and enlarged again."""

    def damage(pixels: Pixels8, _: np.random.Generator) -> Pixels8:
        return _enlarged(_shrunk(pixels, factor), len(pixels))

    return damage


def _jpeg_enlarged(pixels: Pixels8, _: np.random.Generator) -> Pixels8:
    return _enlarged(jpeg(_shrunk(pixels, 2), 30), len(pixels))


def _phone(pixels: Pixels8, _: np.random.Generator) -> Pixels8:
    smooth = cv2.bilateralFilter(pixels, 9, 30, 3)
    soft = cv2.GaussianBlur(smooth, (0, 0), 1.2)
    return jpeg(np.asarray(cv2.addWeighted(smooth, 1.7, soft, -0.7, 0), np.uint8), 80)


def _high_iso(pixels: Pixels8, random: np.random.Generator) -> Pixels8:
    fine = random.normal(0, 11, pixels.shape)
    coarse = random.normal(0, 7, (len(pixels) // 3, len(pixels) // 3, 3))
    blotches = cv2.resize(coarse, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return jpeg(_to_8bit(pixels + fine + blotches), 90)


def _faded(pixels: Pixels8) -> Any:
    return 40 + pixels.astype(np.float32) * np.array([0.74, 0.68, 0.58], np.float32)


def _to_8bit(levels: Any) -> Pixels8:
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def _film(pixels: Pixels8, random: np.random.Generator) -> Pixels8:
    faded = _faded(pixels)
    grain = cv2.GaussianBlur(random.normal(0, 22, pixels.shape[:2]), (0, 0), 0.8)
    return _to_8bit(faded + grain[..., None])


def _motion(pixels: Pixels8, _: np.random.Generator) -> Pixels8:
    length = max(3, len(pixels) // 90)
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (0, length - 1), (length - 1, length // 3), 1)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)


def _video(pixels: Pixels8, _: np.random.Generator) -> Pixels8:
    import av

    encoder = av.CodecContext.create("libx264", "w")
    encoder.width = encoder.height = len(pixels)
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
    encoder.options = {"crf": "34", "preset": "fast"}
    packets = []
    for shift in range(4):
        moved = np.ascontiguousarray(np.roll(pixels, (shift - 3, 3 - shift), axis=(0, 1)))
        frame = av.VideoFrame.from_ndarray(moved, format="rgb24")
        frame.pts = shift
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    return np.asarray(frames[-1].to_ndarray(format="rgb24"), np.uint8)


#: What happens to photos, by the name of its row; factors say how small the smallest detail was.
DAMAGES: Mapping[str, Callable[[Pixels8, np.random.Generator], Pixels8]] = {
    "none": lambda pixels, _: pixels,
    "×2": resized(2),
    "×4": resized(4),
    "×8": resized(8),
    "×16": resized(16),
    "half size, JPEG 30": _jpeg_enlarged,
    "phone": _phone,
    "high ISO": _high_iso,
    "faded film": _film,
    "motion blur": _motion,
    "video": _video,
}
#: Pixels that a shrunk face has to have, for a row to be about restoring it.
LEAST_FACE = 15


def applies(damage: str, face_px: int) -> bool:
    """Whether anything of a face is left."""
    factor = float(damage[1:]) if damage.startswith("×") else 2 if "half" in damage else 1
    return face_px / factor >= LEAST_FACE


def truth_of(damage: str, pixels: Pixels8) -> Pixels8:
    """What a restored photo is compared with: a faded film stays faded."""
    if damage != "faded film":
        return pixels
    return _to_8bit(_faded(pixels))


def jpeg(pixels: Pixels8, quality: int) -> Pixels8:
    """Written as JPEG, and read."""
    import PIL.Image

    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(PIL.Image.open(file).convert("RGB"))


def _shrunk(pixels: Pixels8, factor: float) -> Pixels8:
    side = round(len(pixels) / factor)
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _enlarged(pixels: Pixels8, side: int) -> Pixels8:
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
