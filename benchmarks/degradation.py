"""How fast faces are damaged: crops/s on one core, per recipe and per step.

    OMP_NUM_THREADS=1 python benchmarks/degradation.py [FACES]

FACES is a folder of aligned faces; without one, images are made up that compress about as well.
Recipes draw over their whole ranges, each crop from a seed of its own; steps are done at half
strength. Seconds are those of the process, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

from gpen.training.degradation import CATALOGUE, PRESETS, UInt8Array, degrade, recipe, single_step
from report import machine, write_results

SIZES = (256, 512)
GOAL = 60  # crops/s per core at 256 px

Damage = Callable[[UInt8Array, np.random.Generator], Any]


def made_up(size: int, seed: int) -> UInt8Array:
    """Smooth patches with some texture, uint8 RGB (size, size, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 216, (12, 12, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    texture = cv2.resize(random.normal(0, 6, (size // 2, size // 2)), (size, size))
    return np.asarray(np.clip(smooth + texture[..., None], 0, 255), np.uint8)


def load(folder: str | None, size: int, count: int = 32) -> list[UInt8Array]:
    """Faces of a folder, spread over it, or made up."""
    if folder is None:
        return [made_up(size, seed) for seed in range(count)]
    from gpen.training.face_dataset import open_faces

    faces = open_faces([folder], size)
    places = np.linspace(0, len(faces) - 1, count).astype(int)
    return [faces[int(place)].pixels for place in places]


def crops_per_second(faces: list[UInt8Array], damage: Damage, count: int) -> float:
    """Of processor time, after a few crops that do not count."""
    for warm in range(8):
        damage(faces[warm], np.random.default_rng(warm))
    started = time.process_time()
    for number in range(count):
        damage(faces[number % len(faces)], np.random.default_rng(number))
    return round(count / (time.process_time() - started), 1)


def all_works() -> dict[str, Damage]:
    """Recipes and steps by name."""
    recipes = {f"recipe {name}": partial(degrade, recipe=recipe([name])) for name in PRESETS}
    steps = {
        f"step {name}": partial(single_step, step=step, place=0.5)
        for name, step in CATALOGUE.items()
    }
    return {**recipes, **steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("faces", nargs="?")
    parser.add_argument("--count", type=int, default=400)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    environment = machine()
    works = all_works()
    rows: list[dict[str, Any]] = [{"damage": work} for work in works]
    for size in SIZES:
        faces = load(arguments.faces, size)
        for row in rows:
            count = arguments.count if row["damage"].startswith("recipe") else arguments.count // 4
            figure = crops_per_second(faces, works[row["damage"]], count)
            row[f"crops/s per core at {size} px"] = figure
    figures = {row["damage"]: {key: row[key] for key in row if key != "damage"} for row in rows}
    data = {
        "machine": environment,
        "opencv": cv2.__version__,
        "faces": "photos" if arguments.faces else "made up",
        "goal": f"at least {GOAL} crops/s per core at 256 px",
        "figures": figures,
    }
    write_results("degradation", data, rows)


if __name__ == "__main__":
    main()
