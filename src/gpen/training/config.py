"""The training config: one tree of frozen dataclasses, read by `config_file`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

from .config_sections import (
    Data,
    Degradation,
    Discriminator,
    Files,
    Loss,
    Network,
    Optimiser,
)

Precision = Literal["f32", "bf16", "f16"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a run, and the settings that differ in it.

    Attributes:
        steps: Number of steps.
        size: Side of the images; 0 for the network's. From stage to stage it may double.
        loss: Settings of `[loss]` that differ in this stage, by name.
        frozen: Whether the generator is frozen while the discriminator catches up.
    """

    steps: int = 0
    size: int = 0
    loss: Mapping[str, Any] = field(default_factory=dict)
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """A training run.

    Attributes:
        name: Part of the name of the run's folder.
        seed: Seed of all random numbers.
        precision: Precision of autocast: "f32", "bf16" or "f16".
        device: "auto", "cpu", "cuda" or "mps".
        compile: Whether torch compiles the networks: much faster, after some minutes. On the CPU
            this needs a C++ compiler.
        stages: The stages of the run, one after the other.
        every: Steps between checkpoints, evaluations and sample images.
        log_every: Steps between lines of the log.
    """

    name: str = "run"
    seed: int = 0
    precision: Precision = "bf16"
    device: str = "auto"
    compile: bool = False
    every: int = 1000
    log_every: int = 50
    network: Network = field(default_factory=Network)
    discriminator: Discriminator = field(default_factory=Discriminator)
    loss: Loss = field(default_factory=Loss)
    files: Files = field(default_factory=Files)
    data: Data = field(default_factory=Data)
    degradation: Degradation = field(default_factory=Degradation)
    optimiser: Optimiser = field(default_factory=Optimiser)
    stages: tuple[Stage, ...] = (Stage(steps=100_000),)

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)

    @property
    def stage_starts(self) -> tuple[int, ...]:
        """The first step of each stage."""
        ends = accumulate(stage.steps for stage in self.stages)
        return (0, *ends)[: len(self.stages)]

    def stage_at(self, step: int) -> Stage:
        """The stage that a step (from 0) belongs to; the last one from its end on."""
        return self.stages[self.place_at(step)[0]]

    def place_at(self, step: int) -> tuple[int, int]:
        """Number of the stage that a step belongs to, and the steps before it in the stage."""
        last = len(self.stages) - 1
        for number, stage in enumerate(self.stages):
            if step < stage.steps or number == last:
                return number, step
            step -= stage.steps
        raise ValueError("a run without stages")

    def stage_ended_at(self, step: int) -> int | None:
        """Number of the stage that ends after so many steps; None where none ends."""
        number, done = self.place_at(step - 1)
        return number if done + 1 == self.stages[number].steps else None

    def size_at(self, step: int) -> int:
        """Side of the images at a step, in pixels."""
        return self.stage_at(step).size or self.network.size

    def loss_at(self, step: int) -> Loss:
        """The losses at a step."""
        return dataclasses.replace(self.loss, **self.stage_at(step).loss)
