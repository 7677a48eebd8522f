"""The training loop: resumable, logged, with an averaged copy of the network."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gpen.networks.detector import parameter_groups
from gpen.training.averaging import update_average

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
        batch: Images per step.
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
        self.net: nn.Module = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average: nn.Module = copy.deepcopy(self.net)
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
            draw: A batch of training images and wanted answers.
            loss_of: Loss and its parts.
        """
        recipe, sums, started = self.recipe, dict[str, float](), time.perf_counter()
        self.net.train()
        while self.step < recipe.steps:
            images, wanted = draw(np.random.default_rng((recipe.seed, self.step)))
            rate = learning_rate(self.step, recipe)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
                outputs = self.net(images)
            loss, parts = loss_of(outputs, wanted)
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
        """Log the averaged network's loss on images that are never trained on."""
        self.average.eval()
        sums: dict[str, float] = {}
        for number in range(CHECK_BATCHES):
            images, wanted = draw(np.random.default_rng((12345, number)))
            with torch.no_grad():
                loss, parts = loss_of(self.average(images), wanted)
            for name, value in {"loss": float(loss), **parts}.items():
                sums[f"val_{name}"] = sums.get(f"val_{name}", 0.0) + value / CHECK_BATCHES
        self.write(sums)

    def write(self, values: dict[str, float]) -> None:
        """Append a line to the log."""
        row = {"step": self.step, **{name: round(value, 6) for name, value in values.items()}}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        log.info("%s", row)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return recipe.rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / recipe.steps)) / 2)
