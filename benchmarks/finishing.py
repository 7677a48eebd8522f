"""What finishing finds and leaves alone: things in front of faces, grain, tints; and what it costs.

    python benchmarks/finishing.py --faces ../shared/faces

Sixty held-out faces at 256 px, none of which a constant was chosen by, are damaged, covered and
restored by the default model. Things are drawn by arithmetic: hands in the colour of the face,
bars, microphones, strands of hair and patterned discs, more or less the size of real ones.

`painted over`: the output is that to the uncovered face, as of a network that draws a face over
everything: the share of overlap (IoU) of what is left alone with the thing, within the face.
`default model`: what it makes of the covered face; it draws things as they are, so that there is
little to leave alone. Errors are mean squares of levels under the thing.
`false`: faces with nothing in front of which more than 1 % is left alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gpen.blending.finish import Finish, finish_crop
from gpen.blending.masks import face_mask
from gpen.engines import Engine, open_engine
from gpen.faces.restoration import restore_crops
from gpen.models import find_model
from gpen.types import Crop
from report import machine, write_results

SIZE = 256
SKIPPED, FACES = 48, 60  # constants were chosen by the first faces of the shuffled list
Picture = Any
Random = np.random.Generator
OCCLUSION = Finish(restore_color=True, occlusion=True)
GRAIN = Finish(restore_color=True, match_grain=True)


def read_face(folder: Path, row: Mapping[str, Any]) -> Crop:
    image = np.asarray(cv2.imread(str(folder / row["file"])))[..., ::-1]
    factor = SIZE / image.shape[0]
    pixels = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    points = (np.array(row["points_xy"]) + 0.5) * factor - 0.5
    return Crop(np.asarray(pixels, np.uint8), np.eye(2, 3), points)


# Damages, and how much larger than its pixels each leaves a face ---------------------------------


def _noise(p: Picture, r: Random, strength: float) -> Picture:
    return np.clip(np.rint(p + r.normal(0, strength, p.shape)), 0, 255).astype(np.uint8)


def _jpeg(p: Picture, quality: int) -> Picture:
    code = cv2.imencode(".jpg", p[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1]


def _small(p: Picture, factor: int, change: Callable[[Picture], Picture] = lambda s: s) -> Picture:
    small = cv2.resize(p, (SIZE // factor,) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(change(small), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def _gray(p: Picture) -> Picture:
    return np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _sepia(p: Picture) -> Picture:
    tinted = _gray(p) * np.array([0.95, 0.8, 0.6]) + [20, 12, 5]
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)


DAMAGES: dict[str, tuple[int, Callable[[Picture, Random], Picture]]] = {
    "none": (1, lambda p, _: p),
    "blur": (1, lambda p, _: cv2.GaussianBlur(p, (0, 0), 3)),
    "small × 4": (4, lambda p, _: _small(p, 4)),
    "small × 8": (8, lambda p, _: _small(p, 8)),
    "noise 25": (1, lambda p, r: _noise(p, r, 25)),
    "JPEG 12": (1, lambda p, _: _jpeg(p, 12)),
    "all at once": (4, lambda p, r: _small(p, 4, lambda s: _jpeg(_noise(s, r, 10), 50))),
    "grey": (1, lambda p, _: _gray(p)),
    "sepia, JPEG 70": (1, lambda p, _: _jpeg(_sepia(p), 70)),
    "dark": (1, lambda p, _: np.clip(p * 0.35, 0, 255).astype(np.uint8)),
}


# Things -------------------------------------------------------------------------------------------


def cover(crop: Crop, thing: str, random: Random) -> tuple[Picture, Picture]:
    """The face with a thing in front, and where the thing is, in [0, 1]."""
    big = 4 * SIZE
    mask = np.zeros((big, big), np.uint8)
    paint = np.empty((big, big, 3), np.float32)
    eye = float(np.hypot(*(crop.points_xy[1] - crop.points_xy[0])))
    middle = crop.points_xy.mean(axis=0)
    _DRAWERS[thing](mask, paint, crop, middle, eye, random)
    soft = cv2.resize(mask, (SIZE, SIZE), interpolation=cv2.INTER_AREA)[..., None] / 255
    colors = cv2.resize(paint, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    blended = np.clip(crop.pixels * (1 - soft) + colors * soft, 0, 255)
    return blended.astype(np.uint8), soft[..., 0]


def _at(x: float, y: float) -> tuple[int, int]:
    return int(4 * x), int(4 * y)


def _hand(mask: Any, paint: Any, crop: Crop, middle: Any, eye: float, r: Random) -> None:
    x, y = middle.astype(int)
    skin = np.median(crop.pixels[y - 6 : y + 6, x - 12 : x + 12].reshape(-1, 3), axis=0)
    paint[:] = skin * r.uniform(0.85, 1.05)
    angle = r.uniform(-2.6, -0.5)
    along = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-along[1], along[0]])
    palm = crop.points_xy[3:].mean(axis=0) + r.normal(0, 0.3 * eye, 2)
    for finger in range(4):
        root = palm + aside * (finger - 1.5) * 0.21 * eye
        ends = root - along * 1.5 * eye, root + along * eye * (0.8 + 0.15 * np.sin(finger + 1))
        cv2.line(mask, _at(*ends[0]), _at(*ends[1]), 255, int(0.8 * eye), cv2.LINE_AA)
        start, end = (_at(*(end + aside * 0.1 * eye)) for end in ends)
        cv2.line(paint, start, end, (skin * 0.6).tolist(), int(0.14 * eye), cv2.LINE_AA)
    paint[:] = cv2.GaussianBlur(paint, (0, 0), 4)


def _bar(mask: Any, paint: Any, _: Crop, middle: Any, eye: float, r: Random) -> None:
    angle, centre = r.uniform(0, np.pi), middle + r.normal(0, 0.5 * eye, 2)
    along = SIZE * np.array([np.cos(angle), np.sin(angle)])
    width = int(4 * r.uniform(0.1, 0.4) * eye)
    cv2.line(mask, _at(*(centre - along)), _at(*(centre + along)), 255, width, cv2.LINE_AA)
    paint[:] = r.uniform(0, 255, 3)


def _microphone(mask: Any, paint: Any, crop: Crop, _: Any, eye: float, r: Random) -> None:
    x, y = crop.points_xy[3:].mean(axis=0) + r.normal(0, 0.25 * eye, 2) + [0, 0.3 * eye]
    radius = r.uniform(0.3, 0.5) * eye
    cv2.circle(mask, _at(x, y), int(4 * radius), 255, -1, cv2.LINE_AA)
    end = _at(x + r.normal(0, 20), SIZE + 20)
    cv2.line(mask, _at(x, y), end, 255, int(3 * radius), cv2.LINE_AA)
    rows, columns = np.mgrid[: len(paint), : len(paint)]
    paint[:] = (r.uniform(15, 70) + 25 * ((columns // 10 + rows // 10) % 2))[..., None]


def _hair(mask: Any, paint: Any, crop: Crop, _: Any, eye: float, r: Random) -> None:
    root, t = crop.points_xy[:2, 0].mean() + r.normal(0, 0.6 * eye), np.linspace(0, 1, 30)
    for _ in range(int(r.integers(6, 20))):
        x = root + r.normal(0, 0.12 * eye) + t * r.normal(0, 0.3 * eye) + 0.15 * eye * np.sin(3 * t)
        strand = 4 * np.stack([x, t * r.uniform(0.6, 0.9) * SIZE], axis=1)
        cv2.polylines(mask, [strand.astype(int)], False, 255, int(r.uniform(3, 9)), cv2.LINE_AA)
    paint[:] = r.choice([20, 60, 120]) * np.array([1.1, 0.9, 0.7]) + r.normal(0, 15, paint.shape)


def _disc(mask: Any, paint: Any, _: Crop, middle: Any, eye: float, r: Random) -> None:
    axes = int(4 * r.uniform(0.4, 0.9) * eye), int(4 * r.uniform(0.3, 0.6) * eye)
    centre = _at(*(middle + r.normal(0, 0.7 * eye, 2)))
    cv2.ellipse(mask, centre, axes, r.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    cells = int(r.integers(3, 20))
    pattern = r.normal(0, 40, (cells, cells, 3)) + r.uniform(40, 220, 3)
    paint[:] = cv2.resize(pattern.astype(np.float32), mask.shape, interpolation=cv2.INTER_CUBIC)


_DRAWERS: dict[str, Callable[..., None]] = {
    "hand": _hand,
    "bar": _bar,
    "microphone": _microphone,
    "hair": _hair,
    "disc": _disc,
}


# Measuring ----------------------------------------------------------------------------------------


def with_pixels(crop: Crop, pixels: Picture, enlarged: float = 1) -> Crop:
    return Crop(np.ascontiguousarray(pixels), np.eye(2, 3) * enlarged, crop.points_xy)


def left_alone(crop: Crop, output: Picture) -> Picture:
    weight = finish_crop(crop, output, OCCLUSION)[1]
    return np.zeros((SIZE, SIZE), bool) if weight is None else weight < 0.5


def measure_things(crops: list[Crop], engine: Engine) -> dict[str, dict[str, Any]]:
    """By thing; each face is covered by each, under two of the damages."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    damages = [name for name in DAMAGES if name not in ("small × 8", "dark")]
    for number, crop in enumerate(crops):
        face = face_mask(SIZE, crop.points_xy) > 0.5
        for order, thing in enumerate(_DRAWERS):
            for damage in np.random.default_rng((number, order)).choice(damages, 2, replace=False):
                random = np.random.default_rng((number, order, 1))
                covered, soft = cover(crop, thing, random)
                there = (soft > 0.5) & face
                if there.sum() < 0.02 * face.sum():
                    continue
                enlarged, change = DAMAGES[str(damage)]
                before = with_pixels(crop, change(covered, random), enlarged)
                bare = np.ascontiguousarray(change(crop.pixels, random))
                drawn_over, drawn = restore_crops([bare, before.pixels], engine)
                found = left_alone(before, drawn_over) & face
                row = figures[thing]
                row["IoU"].append((found & there).sum() / (found | there).sum())
                row["found"].append((found & there).sum() / there.sum())
                row["default fires"].append(float((left_alone(before, drawn) & there).any()))
                truth = np.ascontiguousarray(change(covered, random) if damage in (
                    "grey", "sepia, JPEG 70") else covered).astype(float)  # fmt: skip
                for name, made in (("input", before.pixels), ("default", drawn)):
                    row[f"error of {name}"].append(float(np.square(made - truth)[there].mean()))
    return {t: {k: round(float(np.mean(v)), 3) for k, v in f.items()} for t, f in figures.items()}


def measure_damages(crops: list[Crop], engine: Engine) -> dict[str, dict[str, Any]]:
    """By damage: what fires though nothing is there, and what keeps its tint."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, (enlarged, change) in DAMAGES.items():
        for number, crop in enumerate(crops):
            pixels = change(crop.pixels, np.random.default_rng((number, 2)))
            before = with_pixels(crop, pixels, enlarged)
            output = restore_crops([before.pixels], engine)[0]
            judge(figures[name], before, output)
    return {d: {k: round(float(np.mean(v)), 3) for k, v in f.items()} for d, f in figures.items()}


def judge(row: dict[str, list[float]], before: Crop, output: Picture) -> None:
    face = face_mask(SIZE, before.points_xy) > 0.5
    row["things, false"].append(float(left_alone(before, output)[face].mean() > 0.01))
    grained = finish_crop(before, output, GRAIN)[0].astype(float) - output
    row["gets grain"].append(float(grained.any()))
    row["grain, levels"].append(float(grained[face].std()))
    row["keeps its tint"].append(float(finish_crop(before, output, Finish())[0] is not output))


def measure_grain(crops: list[Crop]) -> list[dict[str, Any]]:
    """Grain added to the sharp face, for white noise that a perfect network removed."""
    rows = []
    for strength in (1, 2, 4, 8, 16, 32):
        got = []
        for number, crop in enumerate(crops):
            flat = (crop.pixels * 0.6 + 50).astype(np.uint8)  # nothing is clipped
            before = with_pixels(crop, _noise(flat, np.random.default_rng(number), strength))
            face = face_mask(SIZE, crop.points_xy) > 0.5
            got.append((finish_crop(before, flat, GRAIN)[0].astype(float) - flat)[face].std())
        low, middle, high = np.percentile(got, (10, 50, 90)).round(2)
        rows.append({"noise": strength, "10 %": low, "median": middle, "90 %": high})
    return rows


def measure_time(crop: Crop) -> list[dict[str, Any]]:
    """Milliseconds of processor time."""
    rows = []
    cases = {
        "keep": Finish(restore_color=True, keep=("eyes", "mouth", "glasses")),
        "occlusion": OCCLUSION,
        "match_grain": GRAIN,
        "tint": Finish(),
        "all": Finish(keep=("eyes", "mouth", "glasses"), occlusion=True, match_grain=True),
    }
    for size in (256, 512):
        output = np.asarray(cv2.resize(crop.pixels, (size, size)), np.uint8)
        noisy = _noise(_gray(output), np.random.default_rng(0), 10)
        before = Crop(noisy, np.eye(2, 3), crop.points_xy * size / SIZE)
        row: dict[str, Any] = {"size": size}
        for name, options in cases.items():
            runs = []
            for _ in range(30):
                started = time.process_time()
                finish_crop(before, output, options)
                runs.append(time.process_time() - started)
            row[name] = round(1000 * float(np.median(runs)), 2)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    folder = parser.parse_args().faces
    lines = [json.loads(x) for x in (folder / "crops.jsonl").read_text().splitlines()]
    rows = [row for row in lines if "/val/" in row["file"]]
    np.random.default_rng(0).shuffle(rows)
    crops = [read_face(folder, row) for row in rows[SKIPPED : SKIPPED + FACES]]
    engine = open_engine(find_model("gpen-default-256"))
    things, damages = measure_things(crops, engine), measure_damages(crops, engine)
    old: dict[str, list[float]] = defaultdict(list)
    for row in lines:
        if "/old/" in row["file"]:
            crop = read_face(folder, row)
            judge(old, crop, restore_crops([crop.pixels], engine)[0])
    damages["real portraits before 1923"] = {k: round(float(np.mean(v)), 3) for k, v in old.items()}
    data = {
        "machine": machine(),
        "things": things,
        "damages": damages,
        "grain": measure_grain(crops),
        "milliseconds": measure_time(crops[0]),
    }
    for extra in ("grain", "milliseconds"):
        print(json.dumps(data[extra]))
    print(json.dumps(things, indent=1))
    write_results("finishing", data, [{"damage": d, **f} for d, f in damages.items()])


if __name__ == "__main__":
    main()
