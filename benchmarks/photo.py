"""Seconds by stage for a 12-megapixel photo with 1 and with 20 faces.

    python benchmarks/photo.py

The photos are made from the public-domain portrait in examples/: enlarged over the whole frame
(one face), and as a group of 20 (each face about 190 px). Written as JPEG and read back.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import gpen
from gpen.write import write_image
from report import machine, write_results

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 4000, 3000
STAGES = ("read", "detect", "align", "restore", "paste", "write")


def make_photo(columns: int, rows: int, folder: Path) -> Path:
    """A photo of columns × rows copies of the portrait on grey."""
    portrait = np.asarray(cv2.imread(str(ROOT / "examples/portrait.jpg")), np.uint8)
    cell = min(WIDTH // columns, HEIGHT // rows)
    tile = cv2.resize(portrait, (cell, cell), interpolation=cv2.INTER_CUBIC)
    canvas = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for row in range(rows):
        for column in range(columns):
            canvas[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = tile
    path = folder / f"{columns * rows}.jpg"
    cv2.imwrite(str(path), canvas, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def measure(restorer: gpen.Restorer, photo: Path, runs: int) -> dict[str, Any]:
    """Median seconds by stage, the first run left out."""
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for run in range(runs + 1):
        result = restorer.restore(photo)
        started = cv2.getTickCount()
        write_image(result.photo, photo.with_name("out.jpg"), overwrite=True)
        result.seconds["write"] = (cv2.getTickCount() - started) / cv2.getTickFrequency()
        if run:
            for stage in STAGES:
                seconds[stage].append(result.seconds[stage])
    medians = {stage: round(statistics.median(values), 4) for stage, values in seconds.items()}
    return {"faces": len(result.faces), **medians, "total": round(sum(medians.values()), 3)}


def main() -> None:
    restorer = gpen.Restorer()
    with tempfile.TemporaryDirectory() as folder:
        photos = [make_photo(1, 1, Path(folder)), make_photo(5, 4, Path(folder))]
        rows = [measure(restorer, photo, runs=5) for photo in photos]
    data = {"machine": machine(), "megapixels": WIDTH * HEIGHT / 1e6, "rows": rows}
    write_results("photo", data, table=rows)


if __name__ == "__main__":
    main()
