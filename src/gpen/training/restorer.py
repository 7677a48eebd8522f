"""Trains the restorer of gpen: `python -m gpen.training.restorer --help`.

L1 and a perceptual distance, Adam, a moving average of the weights; first at a small size, then
grown. Every batch is drawn from a generator seeded with (seed, step), and checkpoints hold all
other state, so that a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..nets.gpen import GPEN, GPENConfig
from .degradation import UInt8Array, degrade
from ..perception.lpips import Lpips
from .tensors import to_tensor, update_average

_LOG = logging.getLogger("gpen")


@dataclass(frozen=True, slots=True)
class Config:
    """What a run is made of.

    Attributes:
        faces: Folder with `crops.jsonl` and the crops it names.
        models: Folder with `squeezenet1_1.safetensors` and `lpips_v0.1_squeeze.pth`.
        run: Folder for checkpoints, log and sheets.
        size: Side of the finished network.
        start_size: Side to begin with, `size` or half of it.
        steps: Batches in all.
        grow_at: Batch to double the side at.
        batch: Crops in a batch.
        lr: Adam's learning rate; falls to 0 over the last quarter.
        narrow: Width of the network, of the published 1.
        channel_multiplier: Width of its levels from 64 px on.
        perceptual: Weight of the perceptual distance beside L1.
        half_life: Crops over which the moving average forgets half.
        seed: Decides all that is random.
        every: Batches between checkpoints and evaluations.
        evaluated: Crops of `val` to evaluate.
        compile: Whether to fuse the network's steps first: three times as fast on a CPU, after a
            minute of compiling. Needs a C++ compiler.
    """

    faces: Path
    models: Path
    run: Path
    size: int = 256
    start_size: int = 128
    steps: int = 3000
    grow_at: int = 2200
    batch: int = 16
    lr: float = 2e-3
    narrow: float = 0.25
    channel_multiplier: float = 1.0
    perceptual: float = 1.0
    half_life: float = 2000.0
    seed: int = 0
    every: int = 100
    evaluated: int = 32
    compile: bool = False


def crop_rows(faces: Path, split: str) -> list[dict[str, Any]]:
    """The lines of `crops.jsonl` about a split, in its order."""
    rows = [json.loads(line) for line in (faces / "crops.jsonl").read_text().splitlines()]
    return [row for row in rows if f"/{split}/" in row["file"]]


def load_crops(faces: Path, split: str, size: int) -> tuple[UInt8Array, np.ndarray]:
    """Decode all crops of a split: RGB (N, size, size, 3), and the share that is no mirror."""
    rows = crop_rows(faces, split)
    crops = np.empty((len(rows), size, size, 3), np.uint8)
    for crop, row in zip(crops, rows, strict=True):
        image = cv2.imread(str(faces / row["file"]), cv2.IMREAD_COLOR)
        if image is None:
            raise OSError(f"{faces / row['file']} cannot be decoded; expected a JPEG of the set")
        crop[:] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)[..., ::-1]
    return crops, np.array([row["inside"] for row in rows], np.float32)


def draw_batch(
    crops: UInt8Array, inside: np.ndarray, config: Config, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Degraded faces and their truth (N, 3, S, S) in [-1, 1], and the weight of each (N,)."""
    random = np.random.default_rng((config.seed, step))
    picked = random.integers(len(crops), size=config.batch)
    pairs = [
        degrade(crops[i][:, ::-1] if random.random() < 0.5 else crops[i], random) for i in picked
    ]
    damaged, truth = (to_tensor(np.stack(side)) for side in zip(*pairs, strict=True))
    return damaged, truth, torch.from_numpy(inside[picked])


class Run:
    """The state of a training run: network, moving average, optimiser, step."""

    def __init__(self, config: Config) -> None:
        self.config, self.step = config, 0
        torch.manual_seed(config.seed)
        self.distance = Lpips(
            config.models / "squeezenet1_1.safetensors", config.models / "lpips_v0.1_squeeze.pth"
        )
        self._build(config.start_size if config.grow_at else config.size)

    def _build(self, size: int) -> None:
        self.size = size
        shape = GPENConfig.published(
            size,
            narrow=self.config.narrow,
            channel_multiplier=self.config.channel_multiplier,
        )
        self.net = GPEN(shape)
        for name, parameter in self.net.named_parameters():
            if name.endswith("noise.weight"):
                torch.nn.init.ones_(parameter)  # from 0 the encoder would learn nothing at first
        self.average = copy.deepcopy(self.net).requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.Adam(
            self.net.parameters(), lr=self.config.lr, betas=(0.0, 0.99)
        )
        if self.config.compile:
            self.net.compile()
            self._trained_distance = torch.compile(self.distance)
        else:
            self._trained_distance = self.distance

    def grow(self) -> None:
        """Double the side; the answer is at first that of the smaller network, enlarged."""
        states = [module.state_dict() for module in (self.net, self.average)]
        self._build(2 * self.size)
        last = len(self.net.generator.to_rgbs) - 1
        for module, state in zip((self.net, self.average), states, strict=True):
            fresh = {name: value.clone() for name, value in module.state_dict().items()}
            fresh |= {_name_after_growth(name): v for name, v in state.items() if _stays(name)}
            fresh |= _encoder_entry(fresh, state)
            fresh[f"generator.to_rgbs.{last}.conv.weight"].zero_()
            module.load_state_dict(fresh)

    def train_step(self, crops: UInt8Array, inside: np.ndarray) -> float:
        """One batch; returns its loss."""
        config = self.config
        damaged, truth, weight = draw_batch(crops, inside, config, self.step)
        left = (config.steps - self.step) / max(1, config.steps // 4)
        for group in self.optimiser.param_groups:
            group["lr"] = config.lr * min(1.0, left)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            restored = self.net(damaged).float()
            looks = self._trained_distance(restored, truth)
        pixels = (restored - truth).abs().mean(dim=(1, 2, 3))
        loss = (weight * (pixels + config.perceptual * looks)).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        update_average(self.average, self.net, keep=0.5 ** (config.batch / config.half_life))
        self.step += 1
        return float(loss.detach())

    def evaluate(self, crops: UInt8Array) -> dict[str, float]:
        """Perceptual distance and PSNR of the average's answers and of their input."""
        damaged, truth, _ = self._fixed(crops)
        with torch.inference_mode():
            restored = self.average(damaged).clamp(-1, 1)
            figures = {}
            for name, images in (("input", damaged), ("restored", restored)):
                error = (images - truth).square().mean(dim=(1, 2, 3)) / 4
                figures[f"{name}_psnr"] = float((-10 * error.log10()).mean())
                figures[f"{name}_distance"] = float(self.distance(images, truth).mean())
        figures["distance_ratio"] = figures["restored_distance"] / figures["input_distance"]
        return figures

    def _fixed(self, crops: UInt8Array) -> tuple[Tensor, Tensor, UInt8Array]:
        pairs = [degrade(crop, np.random.default_rng((7, i))) for i, crop in enumerate(crops)]
        damaged, truth = (np.stack(side) for side in zip(*pairs, strict=True))
        return to_tensor(damaged), to_tensor(truth), damaged

    def write_sheet(self, crops: UInt8Array, path: Path) -> None:
        """Damaged, restored and true faces, one row each."""
        damaged, truth, _ = self._fixed(crops[:8])
        with torch.inference_mode():
            rows = [damaged, self.average(damaged).clamp(-1, 1), truth]
        columns = [torch.cat(list(row), dim=2) for row in rows]
        sheet = (torch.cat(columns, dim=1).permute(1, 2, 0) + 1) * 127.5
        cv2.imwrite(str(path), sheet.round().byte().numpy()[..., ::-1])

    def save(self, path: Path) -> None:
        """Write all state, whole or not at all."""
        state = {
            "step": self.step,
            "size": self.size,
            "g": self.net.state_dict(),
            "g_ema": self.average.state_dict(),
            "g_optim": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        partial = path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self._build(state["size"])
        self.net.load_state_dict(state["g"])
        self.average.load_state_dict(state["g_ema"])
        self.optimiser.load_state_dict(state["g_optim"])
        self.step = state["step"]
        torch.set_rng_state(state["random"])


def _stays(name: str) -> bool:
    """Whether a tensor has a place in the grown network; the first 1 × 1 convolution has none."""
    return not name.startswith("ecd0.")


def _encoder_entry(fresh: dict[str, Tensor], small: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a grown encoder's first two stages, whose second answers as the old first did.

    The new first stage passes on the picture and its negative: activate(c) - activate(-c) is
    √2 · 1.2 · c. The second stage's blur halves it, and its middle tap holds the old 1 × 1 kernel.

    Args:
        fresh: Weights of the grown network, for the channels that have no task yet.
        small: Weights of the network before.

    Raises:
        ValueError: The new first stage is too narrow for the picture and its negative.
    """
    if len(fresh["ecd0.0.0.weight"]) < 6:
        raise ValueError("a network grows to levels of at least 6 channels: use a wider one")
    first, second = fresh["ecd0.0.0.weight"].clone(), fresh["ecd1.0.1.weight"].clone()
    picture = torch.eye(3).reshape(3, 3, 1, 1) * math.sqrt(3)  # Conv multiplies by 1 / √fan_in
    first[:3], first[3:6] = picture, -picture
    old = small["ecd0.0.0.weight"][..., 0, 0] / math.sqrt(3)
    new = old * math.sqrt(first.shape[0] * 9) / (math.sqrt(2) * 1.2)
    second.zero_()
    second[:, :3, 1, 1], second[:, 3:6, 1, 1] = new, -new
    return {
        "ecd0.0.0.weight": first,
        "ecd1.0.1.weight": second,
        "ecd1.0.2.bias": small["ecd0.0.1.bias"],
    }


def _name_after_growth(name: str) -> str:
    """The encoder gets a level at its beginning, the generator one at its end."""
    if not name.startswith("ecd"):
        return name
    level, rest = name.removeprefix("ecd").split(".", 1)
    return f"ecd{int(level) + 1}.{rest}"


def train(config: Config) -> Run:
    """Train, or go on with the run in `config.run`; writes weights when all steps are done."""
    config.run.mkdir(parents=True, exist_ok=True)
    checkpoint, run = config.run / "checkpoint.pt", Run(config)
    if checkpoint.exists():
        run.load(checkpoint)
    crops, inside = load_crops(config.faces, "train", run.size)
    val = load_crops(config.faces, "val", run.size)[0][: config.evaluated]
    started = time.monotonic()
    while run.step < config.steps:
        if run.size < config.size and run.step >= config.grow_at:
            run.grow()
            crops, inside = load_crops(config.faces, "train", run.size)
            val = load_crops(config.faces, "val", run.size)[0][: config.evaluated]
        loss = run.train_step(crops, inside)
        if run.step % config.every and run.step < config.steps:
            continue
        run.save(checkpoint)
        run.write_sheet(val, config.run / f"{run.step:06d}.png")
        entry = {
            "step": run.step,
            "size": run.size,
            "seconds": round(time.monotonic() - started, 1),
            "loss": loss,
            **run.evaluate(val),
        }
        with (config.run / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        _LOG.info("%s", entry)
    halves = {name: value.half() for name, value in run.average.state_dict().items()}
    save_file(halves, config.run / "restorer.safetensors")
    return run


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for field in fields(Config):
        option = f"--{field.name.replace('_', '-')}"
        if field.type == "bool":
            parser.add_argument(option, action="store_true")
            continue
        kind = {"Path": Path, "int": int, "float": float}[str(field.type)]
        required = kind is Path
        default = None if required else field.default
        parser.add_argument(option, type=kind, required=required, default=default)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train(Config(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
