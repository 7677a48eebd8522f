"""Recall, point error, false alarms and speed of the shipped detector, beside YuNet.

    python benchmarks/detector.py --faces ../shared/faces --models ../shared/models

Every scene shows one labelled face of the held-out photos at a given size (square root of its
box's area) and rotation, in a square 8 times as wide (96 to 512 px), as it is or damaged: blur of
4 % of the face, noise of 8 levels, JPEG of quality 60. A face counts as found where a box
covers it with an intersection over union of 0.4; the point error is the mean distance of the five
points, in % of the distance of the eyes, over the faces found. The table gives upright faces, then
the mean over all rotations (0, 30, 60, 90 and 180 degrees). Only labels that two detectors
agree on count. "YuNet ×2" looks at the scene enlarged twice.

Faceless images are what lies in the held-out photos beside all faces, and drawn textures.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.faces.detection import load_detector
from gpen.faces.detectors.refinement_crops import ellipse_box
from gpen.images import transforms
from gpen.types import Face, Float64Array
from report import machine, median_spread, timed, write_results, write_table
from tools.detector.faceless import faceless_region, texture
from tools.detector.photos import Label, Photo, load_photos, middle_of, placing

Picture = NDArray[np.uint8]
Detect = Callable[[Picture], list[Face]]

SIZES = (128, 64, 48, 32, 24, 16)
TURNS = (0, 30, 60, 90, 180)
FOUND_IOU = 0.4
TEXTURES = 150


@dataclass(frozen=True, slots=True)
class Scene:
    """An image of one face, and where the face is."""

    image: Picture
    box_xyxy: Float64Array
    points_xy: Float64Array


def make_scene(photo: Photo, label: Label, size: int, turn: int, *, damaged: bool) -> Scene:
    """The labelled face at a size and rotation (degrees)."""
    side = min(512, max(96, 8 * size))
    middle = np.full(2, (side - 1) / 2)
    matrix = placing(middle_of(label), size / label.size, math.radians(turn), middle)
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    image = photo.warp(matrix, (side, side), **options)
    if damaged:
        random = np.random.default_rng((size, turn))
        blurred = cv2.GaussianBlur(image, (0, 0), 0.04 * size)
        noisy = blurred + random.normal(0, 8, blurred.shape)
        grainy = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        _, code = cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 60])
        image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    box = ellipse_box(label.box_xyxy, matrix)
    return Scene(image, box, transforms.apply(matrix, label.points_xy))


def overlap(one: Sequence[float], other: Float64Array) -> float:
    """Intersection over union."""
    a, b = np.asarray(one), np.asarray(other)
    shared = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def judge(scene: Scene, faces: Sequence[Face]) -> tuple[bool, float]:
    """Whether the face was found, and the point error in % of the eye distance."""
    best = max(faces, key=lambda face: overlap(face.box_xyxy, scene.box_xyxy), default=None)
    if best is None or overlap(best.box_xyxy, scene.box_xyxy) < FOUND_IOU:
        return False, math.nan
    eyes = float(np.hypot(*(scene.points_xy[1] - scene.points_xy[0])))
    away = np.hypot(*(best.points_xy - scene.points_xy).T).mean()
    return True, 100 * float(away) / eyes


def enlarged(detect: Detect) -> Detect:
    """A detector that looks at the image enlarged twice."""

    def at_double(image: Picture) -> list[Face]:
        double = transforms.resize(image, (2 * image.shape[1], 2 * image.shape[0]))
        back = transforms.scaling(0.5)
        faces = []
        for face in detect(double):
            corners = transforms.apply(back, np.array(face.box_xyxy).reshape(2, 2))
            x0, y0, x1, y1 = (float(v) for v in corners.ravel())
            points = transforms.apply(back, face.points_xy)
            faces.append(Face((x0, y0, x1, y1), points, face.score))
        return faces

    return at_double


def faceless_pictures(photos: Sequence[Photo]) -> list[Picture]:
    """Regions beside all faces, and textures, 192 px each."""
    random = np.random.default_rng(99)
    regions = [faceless_region(random, photo, 192) for photo in photos]
    return [r for r in regions if r is not None] + [texture(random, 192) for _ in range(TEXTURES)]


def ladder(
    detectors: dict[str, Detect], photos: Sequence[Photo], *, damaged: bool
) -> list[dict[str, Any]]:
    """Recall and point error by size and rotation."""
    rows = []
    labels = [(p, p.labels[0]) for p in photos if len(p.labels) == 1 and p.labels[0].verified]
    for size in SIZES:
        for turn in TURNS:
            row: dict[str, Any] = {"damaged": damaged, "face_px": size, "turn": turn}
            scenes = [make_scene(p, face, size, turn, damaged=damaged) for p, face in labels]
            for name, detect in detectors.items():
                verdicts = [judge(scene, detect(scene.image)) for scene in scenes]
                recall = np.mean([found for found, _ in verdicts])
                errors = [error for _, error in verdicts if not math.isnan(error)]
                row[f"{name} recall %"] = round(100 * float(recall), 1)
                row[f"{name} error %"] = round(float(np.mean(errors)), 1) if errors else None
            rows.append(row)
            print(row, flush=True)
    return rows


def by_size(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Upright faces beside the mean over all rotations, for each size."""
    table = []
    for damaged in (False, True):
        for size in SIZES:
            some = [r for r in rows if r["damaged"] == damaged and r["face_px"] == size]
            row: dict[str, Any] = {"face px": size, "damaged": "yes" if damaged else "no"}
            for heading in (key for key in some[0] if key.endswith("%")):
                turned = [r[heading] for r in some if r[heading] is not None]
                upright = next(r[heading] for r in some if r["turn"] == 0)
                row[heading] = f"{upright} / {np.mean(turned):.1f}"
            table.append(row)
    return table


def speed(detectors: dict[str, Detect], photo: Photo) -> list[dict[str, Any]]:
    """Milliseconds for one photo enlarged to two usual sizes."""
    rows = []
    for width, height in ((640, 480), (1920, 1080)):
        image = transforms.resize(photo.levels[0], (width, height))
        row: dict[str, Any] = {"size": f"{width}×{height}"}
        for name, detect in detectors.items():
            seconds = timed(partial(detect, image), runs=15, warmup=3)
            row[f"{name} ms"] = round(1000 * median_spread(seconds)["median_s"], 1)
        rows.append(row)
    return rows


def times(timings: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    """One detector's milliseconds by image size."""
    return {f"ms {row['size']}": row[f"{name} ms"] for row in timings}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--models", type=Path, default=Path("../shared/models"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "gpen-detector"))
    parser.add_argument("--every", type=int, default=1, help="use every so many photos only")
    options = parser.parse_args()
    photos = load_photos(options.faces, "val", options.cache)[:: options.every]
    yunet = load_detector(options.models / "yunet_n_640_640.onnx").detect
    detectors: dict[str, Detect] = {
        "gpen": load_detector().detect,
        "YuNet": yunet,
        "YuNet ×2": enlarged(yunet),
    }
    faceless = faceless_pictures(photos)
    alarms: list[dict[str, Any]] = [
        {
            "detector": name,
            "faceless images": len(faceless),
            "false alarms": sum(len(detect(image)) for image in faceless),
        }
        for name, detect in detectors.items()
    ]
    print(alarms)
    timings = speed(detectors, photos[0])
    print(timings)
    rows = ladder(detectors, photos, damaged=False) + ladder(detectors, photos, damaged=True)
    data = {"machine": machine(), "faceless": alarms, "speed": timings, "ladder": rows}
    write_results("detector", data, table=by_size(rows))
    write_table("detector-speed", [{**a, **times(timings, a["detector"])} for a in alarms])


if __name__ == "__main__":
    main()
