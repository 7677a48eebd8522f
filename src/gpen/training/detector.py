"""Trains the face detector of gpen: `python -m gpen.training.detector --help`.

    finder  ← mosaics          single-shot network, see `gpen.nets.detector.Finder`
    mine    ← the finder       pictures of what the finder wrongly took for a face
    refiner ← crops, mistakes  see `gpen.nets.detector.Refiner`
    export  ← both             two ONNX files for `gpen.detect`

Every step draws its pictures from a generator seeded with (seed, step), and checkpoints hold all
state, so that a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import geometry
from ..detectors.crops import TEMPLATE_XY
from ..nets.detector import STRIDES, Finder, Refiner, parameter_groups, update_average
from .detector_data import (
    MISTAKE_SIZE,
    CROP_SIZE,
    Photo,
    Picture,
    load_photos,
    mosaic,
    refiner_sample,
)
from .detector_targets import finder_loss, finder_targets, refiner_loss

log = logging.getLogger("gpen")

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Any, Tensor], tuple[Tensor, dict[str, float]]]

SAVE_EVERY = 250
LOG_EVERY = 50
CHECK_BATCHES = 8
WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained.

    Attributes:
        steps: Batches in all; the learning rate falls to nothing along half a cosine.
        batch: Pictures per step.
        rate: Peak learning rate of AdamW.
        seed: Of all chance.
        side: Side of a mosaic in pixels.
        bf16: Compute in bfloat16 where that keeps the result.
    """

    steps: int
    batch: int
    rate: float
    seed: int = 1
    side: int = 160
    bf16: bool = True


class Run:
    """A training run in a folder: `last.pt`, `log.jsonl`."""

    def __init__(self, folder: Path, net: nn.Module, recipe: Recipe) -> None:
        """Start, or go on where the folder's checkpoint stopped."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.recipe, self.step = folder, recipe, 0
        self.net = net.to(memory_format=torch.channels_last)
        self.average = type(net)().to(memory_format=torch.channels_last)
        self.average.load_state_dict(net.state_dict())
        self.optimizer = torch.optim.AdamW(parameter_groups(net, 0.02), lr=recipe.rate)
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
            log.info("going on from step %d of %s", self.step, folder)

    @property
    def checkpoint(self) -> Path:
        """The file that holds the newest state."""
        return self.folder / "last.pt"

    def save(self) -> None:
        """Replace the checkpoint; a crash leaves the old one."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)

    def train(self, draw: Callable[[np.random.Generator], Batch], loss_of: Loss) -> None:
        """Train to the last step.

        Args:
            draw: A batch of training pictures and wanted answers.
            loss_of: Loss and its parts.
        """
        recipe, sums, started = self.recipe, dict[str, float](), time.perf_counter()
        self.net.train()
        while self.step < recipe.steps:
            pictures, wanted = draw(np.random.default_rng((recipe.seed, self.step)))
            rate = learning_rate(self.step, recipe)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
                answers = self.net(pictures)
            loss, parts = loss_of(answers, wanted)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimizer.step()
            self.step += 1
            update_average(self.average, self.net, min(0.998, self.step / (self.step + 20)))
            for name, value in {"loss": float(loss.detach()), **parts}.items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step % LOG_EVERY == 0:
                row = {name: value / LOG_EVERY for name, value in sums.items()}
                seconds = (time.perf_counter() - started) / LOG_EVERY
                self.write({"rate": rate, "seconds": seconds, **row})
                sums, started = {}, time.perf_counter()
            if self.step % SAVE_EVERY == 0 or self.step == recipe.steps:
                self.save()

    def check(self, draw: Callable[[np.random.Generator], Batch], loss_of: Loss) -> None:
        """Log the averaged network's loss on pictures that are never trained on."""
        self.average.eval()
        sums: dict[str, float] = {}
        for number in range(CHECK_BATCHES):
            pictures, wanted = draw(np.random.default_rng((12345, number)))
            with torch.no_grad():
                loss, parts = loss_of(self.average(pictures), wanted)
            for name, value in {"loss": float(loss), **parts}.items():
                sums[f"val_{name}"] = sums.get(f"val_{name}", 0.0) + value / CHECK_BATCHES
        self.write(sums)

    def write(self, values: dict[str, float]) -> None:
        """Append a line to the log."""
        row = {"step": self.step, **{name: round(value, 6) for name, value in values.items()}}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        log.info("%s", row)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return recipe.rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / recipe.steps)) / 2)


def to_network(pictures: Sequence[Picture] | NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (N, H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    stacked = torch.from_numpy(np.ascontiguousarray(pictures))
    return (stacked.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(
        memory_format=torch.channels_last
    )


def finder_batch(
    rng: np.random.Generator, photos: Sequence[Photo], recipe: Recipe
) -> Batch:
    """Mosaics and the finder's wanted answers, (N, cells, COLUMNS)."""
    drawn = [mosaic(rng, photos, recipe.side) for _ in range(recipe.batch)]
    wanted = np.stack([finder_targets(faces, recipe.side) for _, faces in drawn])
    return to_network(np.stack([picture for picture, _ in drawn])), torch.from_numpy(wanted)


def refiner_batch(
    rng: np.random.Generator,
    photos: Sequence[Photo],
    recipe: Recipe,
    mistakes: Sequence[Picture] = (),
) -> Batch:
    """Crops and the refiner's wanted answers, (N, 16)."""
    drawn = [refiner_sample(rng, photos, mistakes) for _ in range(recipe.batch)]
    wanted = np.stack(
        [np.concatenate([[s.is_face], s.answer, [s.placed]]).astype(np.float32) for s in drawn]
    )
    return to_network(np.stack([s.crop for s in drawn])), torch.from_numpy(wanted)


@torch.no_grad()
def mine_mistakes(
    finder: Finder, photos: Sequence[Photo], *, count: int, threshold: float, seed: int
) -> NDArray[np.uint8]:
    """Pictures of what the finder takes for faces on mosaics, where there are none.

    Args:
        finder: A trained finder.
        photos: To build mosaics from.
        count: Mosaics to look at.
        threshold: Lowest score of a mistake.
        seed: Of the mosaics.

    Returns:
        (M, MISTAKE_SIZE, MISTAKE_SIZE, 3), turned upright as the finder thinks.
    """
    finder.eval()
    margin = (MISTAKE_SIZE - CROP_SIZE) / 2
    mistakes: list[Picture] = []
    for number in range(count):
        picture, faces = mosaic(np.random.default_rng((seed, number)), photos, 256)
        middles = np.array([(f.box_xyxy[:2] + f.box_xyxy[2:]) / 2 for f in faces]).reshape(-1, 2)
        sizes = np.array([f.size for f in faces])
        for points, size in _finds(finder(to_network(picture[None])), threshold):
            away = np.hypot(*(middles - points.mean(axis=0)).T)
            if (away < 0.6 * (sizes + size)).any():
                continue
            matrix = geometry.compose(
                geometry.shifting(margin, margin), geometry.fit_similarity(points, TEMPLATE_XY)
            )
            side = (MISTAKE_SIZE, MISTAKE_SIZE)
            mistakes.append(geometry.warp(picture, matrix, side, border="replicate"))
    return np.stack(mistakes) if mistakes else np.zeros((0, *side), np.uint8)


def _finds(
    answers: Sequence[Tensor], threshold: float
) -> list[tuple[NDArray[np.float64], float]]:
    """Points and size of every cell that scores high and higher than its neighbours."""
    found = []
    for stride, answer in zip(STRIDES, answers, strict=True):
        score = torch.sigmoid(answer[:, :1])
        peak = score == torch.nn.functional.max_pool2d(score, 3, 1, 1)
        for row, column in torch.nonzero((peak & (score > threshold))[0, 0]).tolist():
            values = answer[0, :, row, column].double().numpy()
            cell = (np.array([column, row]) + 0.5) * stride - 0.5
            points = values[5:].reshape(5, 2) * stride + cell
            found.append((points, float(stride * math.exp(values[3:5].mean()))))
    return found


def export(run: Path, net: Finder | Refiner, target: Path) -> None:
    """Write the averaged network of a run as ONNX; see `gpen.training.detector_export`."""
    from .detector_export import export_onnx

    state = torch.load(run / "last.pt", weights_only=True)
    net.load_state_dict(state["average"])
    export_onnx(net.eval(), target, steps=int(state["step"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one part of the training."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    runs: Path = options.runs
    if options.part == "export":
        options.out.mkdir(parents=True, exist_ok=True)
        export(runs / "finder", Finder(), options.out / "gpen-detector-finder.onnx")
        export(runs / "refiner", Refiner(), options.out / "gpen-detector-refiner.onnx")
        return
    photos = load_photos(options.faces, "train", options.cache)
    if options.part == "mine":
        finder = Finder()
        state = torch.load(runs / "finder" / "last.pt", weights_only=True)
        finder.load_state_dict(state["average"])
        found = mine_mistakes(
            finder, photos, count=options.mosaics, threshold=0.15, seed=options.seed + 1000
        )
        np.save(runs / "mistakes.npy", found)
        log.info("%d mistakes in %d mosaics", len(found), options.mosaics)
        return
    recipe = Recipe(
        steps=options.steps,
        batch=options.batch,
        rate=options.rate,
        seed=options.seed,
        bf16=not options.f32,
    )
    held_out = load_photos(options.faces, "val", options.cache)
    if options.part == "finder":
        run = Run(runs / "finder", Finder(), recipe)
        run.train(lambda rng: finder_batch(rng, photos, recipe), finder_loss)
        run.check(lambda rng: finder_batch(rng, held_out, recipe), finder_loss)
        return
    mined = runs / "mistakes.npy"
    mistakes = np.load(mined) if mined.exists() else np.zeros((0, 1, 1, 3), np.uint8)
    run = Run(runs / "refiner", Refiner(), recipe)
    run.train(lambda rng: refiner_batch(rng, photos, recipe, mistakes), refiner_loss)
    run.check(lambda rng: refiner_batch(rng, held_out, recipe), refiner_loss)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gpen.training.detector",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=("finder", "mine", "refiner", "export"))
    parser.add_argument("--faces", type=Path, help="folder with photos/ and photos.jsonl")
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for ONNX files")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(os.environ.get("TMPDIR", "/tmp"), "gpen-detector"),  # noqa: S108
        help="folder for decoded photos, about 2 GB",
    )
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mosaics", type=int, default=4000, help="to search for mistakes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--f32", action="store_true", help="do not compute in bfloat16")
    return parser


if __name__ == "__main__":
    main()
