"""Recall, point error, false alarms and speed of the shipped detector, beside YuNet.

    python benchmarks/detector.py --faces ../shared/faces --models ../shared/models

Every scene shows one labelled face of the held-out photos at a given size (square root of its
box's area) and rotation, in a square 8 times as wide (96 to 512 px), as it is or damaged: blur of
4 % of the face, noise of 8 levels, JPEG of quality 60. A face counts as found where a box
covers it with an intersection over union of 0.4; the point error is the mean distance of the five
points, in % of the distance of the eyes, over the faces found. The table gives upright faces, then
the mean over all rotations (--turns). Only labels that two detectors
agree on count; one of the two is YuNet, so that no label is a face that YuNet misses.

Hard cases have a table of their own: profiles, half faces and so on. Faceless images are what lies
in the held-out photos beside all faces, drawn textures and fractals, and with --faceless a folder
of images, such as animals; faces that are reported there are counted by kind.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detector_cases import CASES, Picture, Scene, faceless, place, with_noise
from gpen.faces.detection import load_detector
from gpen.images import transforms
from gpen.types import Face, Float64Array
from report import machine, median_spread, timed, write_results, write_table
from tools.detector.photos import Label, Photo, load_photos

Detect = Callable[[Picture], list[Face]]

SIZES = (128, 64, 48, 32, 24, 16)
TURNS = (0, 30, 60, 90, 180)
FOUND_IOU = 0.4
SPEED_SIZES_WH = ((640, 480), (1920, 1080), (4000, 3000))


def make_scene(photo: Photo, label: Label, size: int, turn: int, *, damaged: bool) -> Scene:
    """The labelled face at a size and rotation (degrees)."""
    scene = place(photo, label, size, turn, min(512, max(96, 8 * size)))
    if not damaged:
        return scene
    blurred = np.asarray(cv2.GaussianBlur(scene.image, (0, 0), 0.04 * size), np.uint8)
    grainy = with_noise(blurred, 8, 10 * size + turn)
    _, code = cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 60])
    image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return Scene(image, scene.box_xyxy, scene.points_xy)


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


def false_alarms(
    detectors: dict[str, Detect], pictures: Sequence[tuple[str, Picture]]
) -> list[dict[str, Any]]:
    """Faces reported in images that have none, by kind of image."""
    rows = []
    for kind in dict.fromkeys(kind for kind, _ in pictures):
        some = [image for other, image in pictures if other == kind]
        row: dict[str, Any] = {"images without faces": kind, "number": len(some)}
        for name, detect in detectors.items():
            row[name] = sum(len(detect(image)) for image in some)
        rows.append(row)
        print(row, flush=True)
    return rows


def hard_cases(detectors: dict[str, Detect], photos: Sequence[Photo]) -> list[dict[str, Any]]:
    """Recall and point error of each of `CASES`."""
    rows = []
    labels = single_labels(photos)
    for name, fits, make in CASES:
        scenes = [make(photo, label) for photo, label in labels if fits(label)]
        row: dict[str, Any] = {"case": name, "faces": len(scenes)}
        rows.append({**row, **verdicts(detectors, scenes)})
        print(rows[-1], flush=True)
    return rows


def single_labels(photos: Sequence[Photo]) -> list[tuple[Photo, Label]]:
    """Photos of one face whose label two detectors agree on."""
    return [(p, p.labels[0]) for p in photos if len(p.labels) == 1 and p.labels[0].verified]


def verdicts(detectors: dict[str, Detect], scenes: Sequence[Scene]) -> dict[str, Any]:
    """Recall and point error of each detector."""
    row: dict[str, Any] = {}
    for name, detect in detectors.items():
        judged = [judge(scene, detect(scene.image)) for scene in scenes]
        errors = [error for _, error in judged if not math.isnan(error)]
        row[f"{name} recall %"] = round(100 * float(np.mean([found for found, _ in judged])), 1)
        row[f"{name} error %"] = round(float(np.mean(errors)), 1) if errors else None
    return row


def ladder(
    detectors: dict[str, Detect],
    photos: Sequence[Photo],
    sizes: Sequence[int],
    turns: Sequence[int],
    *,
    damaged: bool,
) -> list[dict[str, Any]]:
    """Recall and point error by size and rotation."""
    rows = []
    for size in sizes:
        for turn in turns:
            scenes = [
                make_scene(p, face, size, turn, damaged=damaged)
                for p, face in single_labels(photos)
            ]
            rows.append(
                {"damaged": damaged, "face_px": size, "turn": turn, **verdicts(detectors, scenes)}
            )
            print(rows[-1], flush=True)
    return rows


def by_size(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Upright faces beside the mean over all rotations, for each size."""
    table = []
    for damaged in (False, True):
        for size in dict.fromkeys(r["face_px"] for r in rows):
            some = [r for r in rows if r["damaged"] == damaged and r["face_px"] == size]
            row: dict[str, Any] = {"face px": size, "damaged": "yes" if damaged else "no"}
            for heading in (key for key in some[0] if key.endswith("%")):
                turned = [r[heading] for r in some if r[heading] is not None]
                upright = next(r[heading] for r in some if r["turn"] == 0)
                row[heading] = f"{upright} / {np.mean(turned):.1f}"
            table.append(row)
    return table


def speed(detectors: dict[str, Detect], photo: Photo) -> list[dict[str, Any]]:
    """Milliseconds for one photo enlarged to usual sizes."""
    rows = []
    for width, height in SPEED_SIZES_WH:
        image = transforms.resize(photo.levels[0], (width, height))
        row: dict[str, Any] = {"size": f"{width}×{height}"}
        for name, detect in detectors.items():
            seconds = timed(partial(detect, image), runs=7, warmup=2)
            row[f"{name} ms"] = round(1000 * median_spread(seconds)["median_s"], 1)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--models", type=Path, default=Path("../shared/models"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "gpen-detector"))
    parser.add_argument("--faceless", type=Path, help="folder of more images without faces")
    parser.add_argument("--every", type=int, default=1, help="use every so many photos only")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of faces, in pixels")
    parser.add_argument("--turns", type=int, nargs="+", default=TURNS, help="degrees, 0 among them")
    options = parser.parse_args()
    photos = load_photos(options.faces, "val", options.cache)[:: options.every]
    yunet = load_detector(options.models / "yunet_n_640_640.onnx").detect
    detectors: dict[str, Detect] = {
        "gpen": load_detector().detect,
        "YuNet": yunet,
    }
    timings = speed(detectors, photos[0])
    print(timings)
    alarms = false_alarms(detectors, list(faceless(photos, options.faceless)))
    cases = hard_cases(detectors, photos)
    how = options.sizes, options.turns
    rows = ladder(detectors, photos, *how, damaged=False)
    rows += ladder(detectors, photos, *how, damaged=True)
    data = {
        "machine": machine(),
        "photos": len(photos),
        "faceless": alarms,
        "speed": timings,
        "cases": cases,
        "ladder": rows,
    }
    write_results("detector", data, table=by_size(rows))
    write_table("detector-cases", cases)
    write_table("detector-false", alarms)
    write_table("detector-speed", timings)


if __name__ == "__main__":
    main()
