"""What the face embedding and the 68 landmarks that gpen ships can tell.

    python benchmarks/identity.py --faces ../shared/faces --every 3

Held-out crops with five labelled points. Embedding: each face beside itself shrunk to a width,
beside everybody else, and, as `--report` does, before and after the default restorer.
Landmarks: how far the middles of the eyes and the corners of the mouth lie from the labels, in % of
the eye distance; the labels are a detector's own. Cost: milliseconds of processor time per face.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import gpen
from gpen.faces.embedding import Identity, open_identity
from gpen.faces.landmarks import LEFT_EYE, RIGHT_EYE, LandmarkNetwork, open_landmarks
from gpen.images import transforms
from gpen.types import Float64Array
from report import machine, write_results, write_table

#: Widths of crops, in pixels; a face is about half as wide.
WIDTHS = (256, 128, 64, 32)


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out crop and its five points."""

    pixels: NDArray[np.uint8]
    points_xy: Float64Array

    def shrunk(self, width: int) -> Held:
        """The same, this many pixels wide."""
        pixels = transforms.resize(self.pixels, (width, width))
        factor = width / self.pixels.shape[1]
        return Held(pixels, transforms.scale_points(self.points_xy, factor))


def load(folder: Path, every: int) -> list[Held]:
    """Held-out crops."""
    rows = map(json.loads, (folder / "crops.jsonl").read_text().splitlines())
    found = []
    for row in [row for row in rows if "/val/" in row["file"]][::every]:
        photo = cv2.imread(str(folder / row["file"]))
        if photo is None:
            raise FileNotFoundError(folder / row["file"])
        pixels = np.ascontiguousarray(photo[..., ::-1]).astype(np.uint8)
        points_xy = transforms.scale_points(row["points_xy"], pixels.shape[0] / row["size"])
        found.append(Held(pixels, points_xy))
    return found


def alike(identity: Identity, faces: Sequence[Held]) -> list[dict[str, Any]]:
    """Distances and similarities of pairs of faces."""
    measure, originals = identity.measure, _embed(identity, faces)
    rows = []
    for width in WIDTHS[1:]:  # many crops are no wider than the first
        small = _embed(identity, [face.shrunk(width) for face in faces])
        pairs = list(zip(originals, small, strict=True))
        rows.append(_row(f"the same face, {width} px", measure, pairs))
    strangers = [(a, b) for n, a in enumerate(originals) for b in originals[n + 1 :]]
    rows.append(_row("two people", measure, strangers))
    restorer = gpen.Restorer()
    for width in WIDTHS:
        found = []
        for face in (face.shrunk(width) for face in faces):
            (restored,) = restorer.restore(face.pixels, points_xy=[face.points_xy]).restored
            found.append(restored.similarity)
        rows.append(
            {
                "pair": f"{width} px and restored",
                "distance": "",
                "similarity": round(float(np.mean(found)), 3),
                "one person %": round(100 * float(np.mean(np.array(found) > 0.5)), 1),
            }
        )
    return rows


def _embed(identity: Identity, faces: Sequence[Held]) -> NDArray[np.float32]:
    return identity.embed_many([(face.pixels, face.points_xy) for face in faces])


def _row(name: str, measure: Any, pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    return {
        "pair": name,
        "distance": round(float(np.mean([measure.distance(*pair) for pair in pairs])), 3),
        "similarity": round(float(np.mean([measure.similarity(*pair) for pair in pairs])), 3),
        "one person %": round(
            100 * float(np.mean([measure.is_same_person(*pair) for pair in pairs])), 1
        ),
    }


def landmark_errors(network: LandmarkNetwork, faces: Sequence[Held]) -> list[dict[str, Any]]:
    """Errors of eyes and corners of the mouth, by width."""
    rows = []
    for width in WIDTHS:
        off = []
        for face in (face.shrunk(width) for face in faces):
            found = network.find(face.pixels, face.points_xy)
            eyes = [found[eye].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
            places = np.stack([*eyes, found[48], found[54]])
            unit = np.linalg.norm(face.points_xy[1] - face.points_xy[0])
            off.append(np.linalg.norm(places - face.points_xy[[0, 1, 3, 4]], axis=1) / unit)
        errors = 100 * np.array(off)
        rows.append(
            {
                "crop": f"{width} px",
                "eyes %": round(float(errors[:, :2].mean()), 2),
                "mouth %": round(float(errors[:, 2:].mean()), 2),
                "95 of 100 within %": round(float(np.quantile(errors, 0.95)), 1),
            }
        )
    return rows


def cost(identity: Identity, network: LandmarkNetwork, face: Held) -> list[dict[str, Any]]:
    """Milliseconds per face, and how much of the restorer's own they are."""
    restorer = gpen.Restorer()
    crop = restorer.restore(face.pixels, points_xy=[face.points_xy]).restored[0].crop.pixels
    tensor = (crop.transpose(2, 0, 1)[None] / np.float32(127.5) - 1).astype(np.float32)
    work: dict[str, Callable[[], object]] = {
        "restore (the network alone)": partial(restorer.engine.run, tensor),
        "similarity (two embeddings)": partial(
            identity.compare, face.pixels, face.pixels, face.points_xy
        ),
        "68 landmarks (two looks)": partial(network.find, face.pixels, face.points_xy),
    }
    least = {name: _processor_ms(one) for name, one in work.items()}
    unit = next(iter(least.values()))
    return [
        {"step": name, "CPU ms a face": round(ms, 1), "of the network %": round(100 * ms / unit)}
        for name, ms in least.items()
    ]


def _processor_ms(work: Callable[[], object], runs: int = 20) -> float:
    """Processor time of the fastest run after one to warm up: other programs hardly count."""
    spent = []
    for _ in range(runs + 1):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return 1000 * min(spent[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faces", type=Path, default=Path("../shared/faces"))
    parser.add_argument("--every", type=int, default=3, help="take every Nth crop")
    options = parser.parse_args()
    started = time.perf_counter()
    identity, network = open_identity(), open_landmarks()
    opening_s = time.perf_counter() - started
    faces = load(options.faces, options.every)
    costs = cost(identity, network, faces[0])
    pairs, errors = alike(identity, faces), landmark_errors(network, faces)
    data = {
        "machine": machine(),
        "faces": len(faces),
        "opening_s": round(opening_s, 2),
        "pairs": pairs,
        "landmarks": errors,
        "cost": costs,
    }
    write_results("identity", data, table=pairs)
    write_table("landmarks", errors)
    write_table("identity-cost", costs)


if __name__ == "__main__":
    main()
