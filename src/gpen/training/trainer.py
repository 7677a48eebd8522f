"""The state of a training run and one step of it.

Generator and discriminator learn from the same images: both compute their gradients part by part,
then the generator is updated, then the discriminator. Regularisers run every few steps with a
proportionally larger weight (lazy regularisation, Karras et al., CVPR 2020). Networks, moving
averages, optimisers, the step and the random state are the complete state: a resumed run does what
it would have done without the break.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..networks.gpen import GPEN
from .averaging import update_average
from .batches import Batch
from .config import Config
from .config_sections import Loss
from .discriminator_step import DiscriminatorStep, Judging
from .growth import grow_discriminator, grow_generator
from .network_setup import (
    autocast,
    build_discriminator,
    build_generator,
    encoder_parameters,
    load_init,
)
from .objective import Objective
from .optimiser_step import Learner, add_terms
from .passthrough import pass_image_through
from .path_length_step import PathLengthStep
from .perceptual_losses import PerceptualLosses
from .processes import Processes
from .showing import what_to_show

#: The half-life of moving averages is at most this share of the faces seen, so that they soon
#: forget the random initial weights.
_RAMP_UP = 0.05


class Trainer:
    """Networks, optimisers and progress of a run.

    Attributes:
        step: Steps done.
        retries: Number of roll-backs after NaN.
        size: Size of the images in the present stage, in pixels.
        net: The generator in training.
        averages: Its moving averages, which are the result of training.
        discriminator_step: The discriminator and its optimiser; None until a stage has an
            adversarial loss.
    """

    def __init__(
        self,
        config: Config,
        perceptual_losses: PerceptualLosses,
        processes: Processes,
        *,
        fresh: bool = True,
    ) -> None:
        """Build the networks of the first stage.

        Args:
            config: The run.
            perceptual_losses: The networks that losses need.
            processes: The processes of the run.
            fresh: Whether to load `network.init`; a resumed run no longer needs that file.
        """
        self.config, self.processes, self._perceptual_losses = config, processes, perceptual_losses
        self.step, self.retries = 0, 0
        self._path_length_step = PathLengthStep(config, processes)
        torch.manual_seed(config.seed)
        self._build(config.size_at(0))
        network = config.network
        if network.init and fresh:
            load_init(self.net, network.init)
        if network.pass_through:
            pass_image_through(self.net)
        self.restart_averages()
        if config.loss_at(0).adversarial:
            self._add_discriminator()

    def _build(self, size: int) -> None:
        config, device = self.config, self.processes.device
        self.size = size
        with self._chance("generator"):
            self.net = build_generator(config, size).to(device)
        self.averages: list[GPEN] = [
            copy.deepcopy(self.net).eval().requires_grad_(requires_grad=False)
            for _ in config.optimiser.ema_half_lives
        ]
        encoder, synthesis = encoder_parameters(self.net)
        shares = ((encoder, config.optimiser.encoder), (synthesis, config.optimiser.synthesis))
        lazy = config.loss.path_length_every if config.loss.path_length else 0
        self._learner = self._learning(self.net, shares, lazy)
        self._restore = self._compiled(self.net)
        self.discriminator_step: DiscriminatorStep | None = None
        self._objective = Objective(self._perceptual_losses, None)

    def _add_discriminator(self) -> DiscriminatorStep | None:
        """Build the discriminator for the present size, if the config has one."""
        with self._chance("discriminator"):
            discriminator = build_discriminator(
                self.config, self.size, self._perceptual_losses.feature_widths()
            )
        if discriminator is None:
            return None
        discriminator.to(self.processes.device)
        share = self.config.optimiser.discriminator
        groups = ((list(discriminator.parameters()), share),)
        lazy = self.config.loss.r1_every if self.config.loss.r1 else 0
        learner = self._learning(discriminator, groups, lazy)
        judge = self._compiled(Judging(discriminator))
        look = what_to_show(self.config, self._perceptual_losses)
        self.discriminator_step = DiscriminatorStep(
            discriminator, judge, learner, self._autocast, look
        )
        self._objective = Objective(self._perceptual_losses, self.discriminator_step)
        return self.discriminator_step

    def restart_averages(self) -> None:
        """Reset the moving averages to the generator's weights."""
        for average in self.averages:
            average.load_state_dict(self.net.state_dict())

    @contextlib.contextmanager
    def _chance(self, part: str) -> Iterator[None]:
        """Random numbers that depend on the seed, the size and a name alone."""
        key = np.random.SeedSequence((self.config.seed, self.size, *part.encode()))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(key.generate_state(1, np.uint64)[0]))
            yield

    def _learning(
        self, net: nn.Module, groups: Sequence[tuple[list[nn.Parameter], float]], lazy: int
    ) -> Learner:
        # Each network has a scaler: both compute gradients before one update may change its scale.
        enabled = self.config.precision == "f16"
        scaler = torch.amp.GradScaler(self.processes.device.type, enabled=enabled)
        return Learner(net, groups, self.config.optimiser, self.processes, scaler, lazy=lazy)

    def _compiled(self, net: nn.Module) -> nn.Module:
        """The network, compiled if the config says so."""
        if not self.config.compile:
            return net
        compile_: Any = torch.compile
        compiled: nn.Module = compile_(net)
        return compiled

    def grow(self, size: int) -> None:
        """Go on at twice the size."""
        small = [_copied(net) for net in (self.net, *self.averages)]
        old_step = self.discriminator_step
        judged = None if old_step is None else _copied(old_step.discriminator)
        self._build(size)
        pass_through = self.config.network.pass_through
        for before, net in zip(small, (self.net, *self.averages), strict=True):
            grow_generator(before, net, pass_through=pass_through)
        if judged is not None and (discriminator_step := self._add_discriminator()) is not None:
            grow_discriminator(judged, discriminator_step.discriminator)

    def train_step(self, parts: Sequence[Batch]) -> dict[str, float]:
        """Learn from one batch, given in parts.

        Returns:
            The losses before their weights, and the gradient norms.

        Raises:
            NotFiniteError: A loss or gradient is NaN or infinite. Weights are unchanged, except for
                the generator's if only the discriminator failed.
        """
        loss, rate = self.config.loss_at(self.step), self._rate()
        if loss.adversarial and self.discriminator_step is None:
            self._add_discriminator()
        terms = self._learn(parts, loss, rate)
        if loss.path_length and self.step % loss.path_length_every == 0:
            terms |= self._path_length_step.take(
                self.net, self._learner, parts, loss, rate, key=(self.retries, self.step)
            )
        self._follow()
        self.step += 1
        names = sorted(terms)
        values = torch.stack([terms[name].float() for name in names])
        return dict(zip(names, self.processes.average(values).tolist(), strict=True))

    def _rate(self) -> float:
        """Factor of the learning rates, by warm-up and decay."""
        config, factor = self.config.optimiser, 1.0
        if config.decay:
            number, done = self.config.place_at(self.step)
            steps = self.config.stages[number].steps
            left = (steps - done) / (config.decay * steps)
            factor = (1 - math.cos(math.pi * min(1.0, max(0.0, left)))) / 2
        if self.step < config.warmup:
            factor *= (self.step + 1) / config.warmup
        return factor

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return autocast(self.config, self.processes.device)

    def _learn(self, parts: Sequence[Batch], loss: Loss, rate: float) -> dict[str, Tensor]:
        """Update the generator and, if the loss is adversarial, the discriminator."""
        discriminator_step = self.discriminator_step if loss.adversarial else None
        self._learner.forget_gradients()
        if discriminator_step is not None:
            discriminator_step.learner.forget_gradients()
        sums: dict[str, Tensor] = {}
        told: dict[str, Tensor] = {}
        share = 1 / len(parts)
        frozen = self.config.stage_at(self.step).frozen
        for batch in parts:
            with torch.set_grad_enabled(not frozen), self._autocast():
                restored = self._restore(batch.damaged).float()
            if not frozen:
                with self._autocast():
                    outcome = self._objective.score(restored, batch, loss)
                self._learner.backward(outcome.total * share)
                add_terms(sums, outcome.terms, share)
            if discriminator_step is not None:
                add_terms(
                    told,
                    discriminator_step.learn(batch, restored.detach(), loss, share=share),
                    share,
                )
        if not frozen:
            sums["g_norm"] = self._learner.take_step(rate, sums)
        if discriminator_step is None:
            return sums
        r1 = bool(loss.r1) and self.step % loss.r1_every == 0
        return sums | discriminator_step.take_step(parts, told, loss, rate, r1=r1)

    def _follow(self) -> None:
        """Update the moving averages."""
        optimiser = self.config.optimiser
        for average, full in zip(self.averages, optimiser.ema_half_lives, strict=True):
            half_life = full
            if not self.config.network.init:
                half_life = min(full, max(_RAMP_UP * (self.step + 1) * optimiser.batch, 1.0))
            update_average(average, self.net, keep=0.5 ** (optimiser.batch / half_life))

    def state(self) -> dict[str, Any]:
        """The complete state, under the names of published checkpoints."""
        state: dict[str, Any] = {
            "step": self.step,
            "size": self.size,
            "retries": self.retries,
            "path_mean": float(self._path_length_step.mean),
            "g": self.net.state_dict(),
            "g_ema": self.averages[0].state_dict(),
            "g_more_ema": [average.state_dict() for average in self.averages[1:]],
            "g_optim": self._learner.adam.state_dict(),
            "scaler": self._learner.scaler.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.discriminator_step is not None:
            state["d"] = self.discriminator_step.discriminator.state_dict()
            state["d_optim"] = self.discriminator_step.learner.adam.state_dict()
            state["d_scaler"] = self.discriminator_step.learner.scaler.state_dict()
            state["d_usual"] = self.discriminator_step.usual
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Load what `state` returned."""
        if state["size"] != self.size:
            self._build(state["size"])
        self.net.load_state_dict(state["g"])
        kept = [state["g_ema"], *state.get("g_more_ema", [])]
        for number, average in enumerate(self.averages):  # one that is new begins at the first
            average.load_state_dict(kept[number] if number < len(kept) else kept[0])
        self._learner.load_adam(state["g_optim"])
        self._learner.scaler.load_state_dict(state["scaler"])
        if (
            "d" in state
            and (discriminator_step := self.discriminator_step or self._add_discriminator())
            is not None
        ):
            discriminator_step.discriminator.load_state_dict(state["d"])
            discriminator_step.learner.load_adam(state["d_optim"])
            # Checkpoints of earlier versions have one scaler for both networks.
            discriminator_step.learner.scaler.load_state_dict(
                state.get("d_scaler", state["scaler"])
            )
            discriminator_step.usual.copy_(state.get("d_usual", discriminator_step.usual))
        self.step, self.retries = state["step"], state["retries"]
        self._path_length_step.mean.fill_(state["path_mean"])
        torch.set_rng_state(state["random"])


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}
