"""Whole photos: seconds by stage, against faces, pixels and photos; memory; what limits each stage.

    python benchmarks/photo.py --faces ../shared/faces

Photos are grids of held-out portraits (one face each), written as JPEG of quality 90 and read
back. "outside %" is the share of everything but the network. The table against photos runs the
same code as `gpen restore`, results written to disk: one at a time, and several overlapped. Memory
is the peak of a process of its own. Next to the default network stands one of published widths at
512 px with random weights. About six minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import gpen
from engines_prepare import load_pictures, random_network
from engines_worker import peak_rss_mib
from gpen.blending.paste import Patch, paste_faces
from gpen.cli.restore_extras import Options
from gpen.cli.restore_inputs import Task, run
from gpen.faces.alignment import align_face
from gpen.faces.restoration import restore_crops
from gpen.images import transforms
from gpen.images.read import read_image
from gpen.images.write import write_image
from gpen.settings import DEFAULT_MODEL
from report import machine, timed, write_results, write_table

Picture = NDArray[np.uint8]

STAGES = ("read", "detect", "align", "restore", "paste", "write")
#: Megapixels to width and height.
SIZES = {1: (1200, 900), 4: (2304, 1728), 12: (4000, 3000), 50: (8160, 6120)}
FACES = (1, 4, 16, 64)
PHOTOS = (1, 10, 100)
JOBS = (1, 2, 3, 4)
MEMORY_PHOTOS = (100, 1000)
#: Why a stage takes as long as it does, where the cores that it keeps busy do not say it.
LIMITS = {
    "read": "JPEG decoding, one core (libjpeg-turbo)",
    "detect": "both networks of the detector, and the first of them by the pixels that it looks at",
    "align": "reading the pixels of the face, once",
    "restore": "the network: see the engines' table",
    "paste": "copying the photo once, then float arithmetic in the face's box",
    "write": "JPEG encoding without colour subsampling, one core, and waiting for the disk",
}


def portraits(folder: Path, count: int) -> list[Picture]:
    """Photos of one face that two detectors agree on, spread over the held-out ones, RGB."""
    lines = (folder / "photos.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for line in lines if (row := json.loads(line))["file"].startswith("photos/val/")]
    single = [row["file"] for row in rows if [face["verified"] for face in row["faces"]] == [True]]
    chosen = single[:: max(1, len(single) // count)][:count]
    return [np.asarray(cv2.imread(str(folder / name)), np.uint8)[..., ::-1] for name in chosen]


def make_photo(some: Sequence[Picture], size_wh: tuple[int, int], path: Path) -> Path:
    """A JPEG of portraits in a square grid that fills it; what a portrait leaves free is grey."""
    side = math.isqrt(len(some))
    width, height = size_wh
    canvas = np.full((height, width, 3), 128, np.uint8)
    cell = width // side, height // side
    for number, portrait in enumerate(some[: side * side]):
        scale = min(cell[0] / portrait.shape[1], cell[1] / portrait.shape[0])
        tile_wh = int(portrait.shape[1] * scale), int(portrait.shape[0] * scale)
        x, y = (number % side) * cell[0], (number // side) * cell[1]
        tile = transforms.resize(np.ascontiguousarray(portrait), tile_wh)
        canvas[y : y + tile_wh[1], x : x + tile_wh[0]] = tile
    cv2.imwrite(str(path), canvas[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def measure(restorer: gpen.Restorer, photo: Path, runs: int) -> dict[str, Any]:
    """Median seconds by stage, the first run left out."""
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for number in range(runs + 1):
        result = restorer.restore(photo)
        started = time.perf_counter()
        write_image(result.photo, photo.with_name("out.jpg"), overwrite=True)
        result.seconds["write"] = time.perf_counter() - started
        if number:
            for stage in STAGES:
                seconds[stage].append(result.seconds[stage])
    medians = {stage: round(statistics.median(values), 4) for stage, values in seconds.items()}
    total = sum(medians.values())
    outside = 100 * (1 - medians["restore"] / total)
    found = {"faces found": len(result.faces), "network px": restorer.engine.size}
    return {**found, **medians, "total": round(total, 3), "outside %": round(outside, 1)}


def by_stage(
    models: dict[int, str], some: Sequence[Picture], folder: Path, runs: int
) -> list[dict[str, Any]]:
    """Rows against faces at 12 megapixels, and against pixels at 4 faces; both networks."""
    rows = []
    cases = [(12, faces, 256) for faces in FACES] + [(mp, 4, 256) for mp in SIZES if mp != 12]
    cases += [(1, 1, 512), (12, 1, 512), (12, 4, 512)]
    restorers = {size: gpen.Restorer(model=model) for size, model in models.items()}
    for megapixels, faces, size in cases:
        photo = make_photo(some[:faces], SIZES[megapixels], folder / "photo.jpg")
        n_runs = runs if faces <= 4 and megapixels <= 12 else max(1, runs // 2)
        row = {"MP": megapixels, "faces": faces, **measure(restorers[size], photo, n_runs)}
        rows.append(row)
        print(row, flush=True)
    return rows


@contextlib.contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder for results, gone afterwards."""
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def restore_all(restorer: gpen.Restorer, photos: Sequence[Path], out: Path, jobs: int) -> float:
    """Seconds to restore photos into a folder, as `gpen restore` does."""
    tasks = [Task(path, path.name, out / f"{n}.jpg") for n, path in enumerate(photos)]
    started = time.perf_counter()
    for outcome in run(tasks, restorer, Options(), jobs):
        assert outcome.status != "failed", outcome.error
    return time.perf_counter() - started


def by_photos(
    restorer: gpen.Restorer, some: Sequence[Picture], counts: Sequence[int], folder: Path
) -> list[dict[str, Any]]:
    """Photos per second against their number and how many are worked on at the same time."""
    photos = [
        make_photo([portrait], SIZES[1], folder / f"{n}.jpg")
        for n, portrait in enumerate(some[: counts[-1]])
    ]
    with emptied(folder / "out") as out:
        restore_all(restorer, photos[:2], out, 2)  # the first of a kind takes longer
    rows = []
    for count in counts:
        row: dict[str, Any] = {"photos of 1 MP": count}
        for jobs in JOBS:
            with emptied(folder / "out") as out:
                seconds = restore_all(restorer, photos[:count], out, jobs)
            row[f"s, {jobs} at once" if jobs > 1 else "s, one by one"] = round(seconds, 2)
        row["gain by 2"] = round(row["s, one by one"] / row["s, 2 at once"], 2)
        rows.append(row)
        print(row, flush=True)
    return rows


def peak_mib(photo: Path, count: int, out: Path, jobs: int) -> float:
    """Peak memory of a process that restores a photo so many times, in MiB."""
    code = [__file__, "--child", str(photo), str(count), str(out), str(jobs)]
    output = subprocess.run([sys.executable, *code], check=True, capture_output=True, text=True)
    return float(output.stdout.split()[-1])


def child(photo: Path, count: int, out: Path, jobs: int) -> None:
    """What `peak_mib` runs; results replace each other to spare the disk."""
    tasks = [Task(photo, str(n), out / f"{n % 8}-{jobs}.jpg") for n in range(count)]
    for outcome in run(tasks, gpen.Restorer(), Options(overwrite=True), jobs):
        assert outcome.status == "restored", outcome.error
    print(peak_rss_mib())


def by_memory(
    portrait: Picture, counts: Sequence[int], folder: Path, jobs: int
) -> list[dict[str, Any]]:
    """Peak memory against the number of small photos, and for one large photo."""
    small = make_photo([portrait], (320, 240), folder / "small.jpg")
    rows = []
    with emptied(folder / "out") as out:
        for count in counts:
            peak = peak_mib(small, count, out, jobs)
            rows.append({"photos": count, "MP": 0.08, "jobs": jobs, "peak RSS MiB": peak})
        for megapixels in (12, 50):
            large = make_photo([portrait], SIZES[megapixels], folder / "large.jpg")
            peak = peak_mib(large, 1, out, 1)
            rows.append({"photos": 1, "MP": megapixels, "jobs": 1, "peak RSS MiB": peak})
    return rows


def by_limit(restorer: gpen.Restorer, photo: Path, runs: int) -> list[dict[str, Any]]:
    """What each stage waits for: the cores that it keeps busy, and the reason."""
    image = read_image(photo)
    faces, engine = restorer.detect(image), restorer.engine
    crops = [align_face(image.pixels, face.points_xy, size=engine.size) for face in faces]
    pixels = [crop.pixels for crop in crops]
    patches = [Patch(*pair) for pair in zip(crops, restore_crops(pixels, engine), strict=True)]
    stages: dict[str, Callable[[], object]] = {
        "read": lambda: read_image(photo),
        "detect": lambda: restorer.detect(image),
        "align": lambda: [align_face(image.pixels, f.points_xy, size=engine.size) for f in faces],
        "restore": lambda: restore_crops(pixels, engine),
        "paste": lambda: paste_faces(image.pixels, patches),
        "write": lambda: write_image(image, photo.with_name("out.jpg"), overwrite=True),
    }
    rows = []
    for stage, work in stages.items():
        cpu_s = time.process_time()
        seconds = timed(work, runs, warmup=0)
        busy = (time.process_time() - cpu_s) / sum(seconds)
        milliseconds = round(1000 * statistics.median(seconds), 1)
        row = {"stage": stage, "ms": milliseconds, "cores busy": round(busy, 1)}
        rows.append({**row, "limited by": LIMITS[stage]})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="try it out; nothing is written")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        photo, count, out, jobs = options.child
        child(Path(photo), int(count), Path(out), int(jobs))
        return
    counts, memory_counts = ((1, 10), (20, 60)) if options.quick else (PHOTOS, MEMORY_PHOTOS)
    data: dict[str, Any] = {"machine": machine()}
    some = portraits(options.faces, 100)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        random_network(512, load_pictures("", 512, 1)[0], folder / "random-512.safetensors")
        models = {256: DEFAULT_MODEL, 512: str(folder / "random-512.safetensors")}
        data["stages"] = by_stage(models, some, folder, options.runs)
        restorer = gpen.Restorer()
        photo = make_photo(some[:4], SIZES[12], folder / "photo.jpg")
        data["limits"] = by_limit(restorer, photo, options.runs)
        data["photos"] = by_photos(restorer, some, counts, folder)
        data["memory"] = by_memory(some[0], memory_counts, folder, jobs=2)
    if options.quick:
        print(data)
        return
    write_results("photo", data, table=data["stages"])
    for name in ("limits", "photos", "memory"):
        write_table(f"photo-{name}", data[name])


if __name__ == "__main__":
    main()
