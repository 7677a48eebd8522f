"""The state of a training run and one step of it.

A step takes the generator first and the discriminator after it, on the pictures that the generator
just made. Regularisers run every few steps and count as many times (lazy regularisation, Karras et
al., CVPR 2020). Both networks, the moving average, the optimisers, the step and the random state
are the whole state: a run that goes on from it does what it would have done.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..nets.gpen import GPEN
from . import losses
from .batches import Batch
from .config import Config, Loss
from .growth import grow_discriminator, grow_generator
from .judges import Judges
from .networks import build_discriminator, build_generator, encoder_parameters, load_init
from .objective import Objective
from .passthrough import pass_picture_through
from .processes import Processes
from .tensors import update_average

_DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
#: The moving average starts short, so that it forgets the random beginning: of the faces seen.
_RAMP_UP = 0.05


class NotFiniteError(Exception):
    """A loss or a gradient is NaN or infinite; the step was not taken."""


class _Judge(nn.Module):
    """A discriminator's `judge` as a module of its own, which is what torch compiles."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return self.discriminator.judge(image)  # type: ignore[no-any-return,operator]


class Trainer:
    """Networks, optimisers and progress of a run.

    Attributes:
        step: Steps done.
        retries: How often the run was rolled back after NaN.
        path_mean: Running mean of the path length.
        net: The generator in training.
        average: Its moving average, which is what one uses.
        discriminator: Its opponent, or None.
    """

    def __init__(self, config: Config, judges: Judges, processes: Processes) -> None:
        """Build fresh networks for the run's first stage, from `network.init` where it is set."""
        self.config, self.processes, self._judges = config, processes, judges
        self.step, self.retries, self.path_mean = 0, 0, torch.zeros((), device=processes.device)
        torch.manual_seed(config.seed)
        self._build(config.size_at(0))
        if config.network.init:
            load_init(self.net, config.network.init)
        if config.network.pass_through:
            pass_picture_through(self.net)
        if config.network.init or config.network.pass_through:
            self.average.load_state_dict(self.net.state_dict())

    def _build(self, size: int) -> None:
        device, optimiser = self.processes.device, self.config.optimiser
        self.size = size
        self.net = build_generator(self.config, size).to(device)
        self.average: GPEN = copy.deepcopy(self.net).eval().requires_grad_(requires_grad=False)
        discriminator = build_discriminator(self.config, size)
        self.discriminator = discriminator.to(device) if discriminator else None
        encoder, synthesis = encoder_parameters(self.net)
        shares = ((encoder, optimiser.encoder), (synthesis, optimiser.synthesis))
        self._g_optim = self._adam(shares, lazy=self._path_length_every())
        self._d_optim = None
        if self.discriminator is not None:
            judged = ((list(self.discriminator.parameters()), optimiser.discriminator),)
            self._d_optim = self._adam(judged, lazy=self.config.loss.r1_every)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.config.precision == "f16")
        self._restore, self._judge = self._compiled()
        self._objective = Objective(self._judges, self._judge)

    def _compiled(self) -> tuple[nn.Module, nn.Module | None]:
        """The networks as steps call them; compiled if the config says so."""
        judge = None if self.discriminator is None else _Judge(self.discriminator)
        if not self.config.compile:
            return self.net, judge
        compile_: Any = torch.compile
        return compile_(self.net), None if judge is None else compile_(judge)

    def _path_length_every(self) -> int:
        loss = self.config.loss
        return loss.path_length_every if loss.path_length else 0

    def _adam(
        self, groups: Sequence[tuple[list[nn.Parameter], float]], lazy: int
    ) -> torch.optim.Adam:
        """Adam whose steps with a lazy regulariser count as one more: rate and memory shrink."""
        optimiser = self.config.optimiser
        ratio = lazy / (lazy + 1) if lazy else 1.0
        beta1, beta2 = (beta**ratio for beta in optimiser.betas)
        rated = [
            {"params": parameters, "lr": 0.0, "full_lr": optimiser.lr * share * ratio}
            for parameters, share in groups
        ]
        return torch.optim.Adam(rated, betas=(beta1, beta2))

    def grow(self, size: int) -> None:
        """Go on at twice the side."""
        states = [
            {name: value.clone() for name, value in module.state_dict().items()}
            for module in (self.net, self.average, self.discriminator)
            if module is not None
        ]
        self._build(size)
        pass_through = self.config.network.pass_through
        grow_generator(states[0], self.net, pass_through=pass_through)
        grow_generator(states[1], self.average, pass_through=pass_through)
        if self.discriminator is not None:
            grow_discriminator(states[2], self.discriminator)

    def train_step(self, parts: Sequence[Batch]) -> dict[str, float]:
        """Learn from one batch, given in parts.

        Returns:
            The losses before their weights, and the lengths of the gradients.

        Raises:
            NotFiniteError: A loss or gradient is NaN or infinite; weights are as they were, but
                for the generator's where the discriminator failed.
        """
        loss = self.config.loss_at(self.step)
        self._set_rates()
        restored, terms = self._generator_step(parts, loss)
        if self.discriminator is not None and loss.adversarial:
            terms |= self._discriminator_step(parts, restored, loss)
        if loss.path_length and self.step % loss.path_length_every == 0:
            terms |= self._path_length_step(parts, loss)
        self._follow()
        self.step += 1
        names = sorted(terms)
        values = torch.stack([terms[name].float() for name in names])
        return dict(zip(names, self.processes.average(values).tolist(), strict=True))

    def _set_rates(self) -> None:
        config = self.config.optimiser
        factor = 1.0
        if config.decay:
            left = (self.config.steps - self.step) / (config.decay * self.config.steps)
            factor = min(1.0, max(0.0, left))
        if self.step < config.warmup:
            factor *= (self.step + 1) / config.warmup
        for optimiser in (self._g_optim, self._d_optim):
            for group in optimiser.param_groups if optimiser else ():
                group["lr"] = group["full_lr"] * factor

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        precision = self.config.precision
        if precision == "f32":
            return contextlib.nullcontext()
        return torch.autocast(self.processes.device.type, _DTYPES[precision])

    def _generator_step(
        self, parts: Sequence[Batch], loss: Loss
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        self._g_optim.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        pictures = []
        with self._frozen(self.discriminator):
            for batch in parts:
                with self._autocast():
                    restored = self._restore(batch.damaged).float()
                    outcome = self._objective.judge(restored, batch, loss)
                self._scaler.scale(outcome.total / len(parts)).backward()
                pictures.append(restored.detach())
                _add(sums, outcome.terms, 1 / len(parts))
        sums["g_norm"] = self._take_step(self._g_optim, self.net, sums)
        return pictures, sums

    def _discriminator_step(
        self, parts: Sequence[Batch], restored: Sequence[Tensor], loss: Loss
    ) -> dict[str, Tensor]:
        assert self._d_optim is not None and self.discriminator is not None
        assert self._judge is not None
        self._d_optim.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for batch, pictures in zip(parts, restored, strict=True):
            with self._autocast():
                real, _ = self._judge(batch.truth)
                fake, _ = self._judge(pictures)
            real, fake = [scale.float() for scale in real], [scale.float() for scale in fake]
            term = losses.discriminator_loss(real, fake, loss.adversarial_kind)
            self._scaler.scale(term / len(parts)).backward()
            told = {"real": _mean(real), "fake": _mean(fake), "discriminator": term.detach()}
            _add(sums, told, 1 / len(parts))
        if loss.r1 and self.step % loss.r1_every == 0:
            _add(sums, {"r1": self._penalise(parts, loss)}, 1)
        sums["d_norm"] = self._take_step(self._d_optim, self.discriminator, sums)
        return sums

    def _penalise(self, parts: Sequence[Batch], loss: Loss) -> Tensor:
        """R1 on real pictures, in f32 and not compiled: it is differentiated twice."""
        assert self.discriminator is not None
        total = torch.zeros((), device=self.processes.device)
        for batch in parts:
            truth = batch.truth.detach().requires_grad_()
            logits, _ = self.discriminator.judge(truth)
            penalty = losses.r1_penalty(logits, truth) / len(parts)
            self._scaler.scale(loss.r1 / 2 * loss.r1_every * penalty).backward()
            total = total + penalty.detach()
        return total

    def _path_length_step(self, parts: Sequence[Batch], loss: Loss) -> dict[str, Tensor]:
        """Keep the pictures' change per change of style alike everywhere."""
        self._g_optim.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for batch in parts:
            with torch.no_grad():
                code, features = self.net.encode(batch.damaged)
            w = self.net.style(code)
            images = self.net.synthesise(w, features)
            penalty, mean = losses.path_length_penalty(images, w, self.path_mean)
            weight = loss.path_length * loss.path_length_every / len(parts)
            self._scaler.scale(weight * penalty).backward()
            self.path_mean = self.processes.average(mean.detach().clone())
            _add(sums, {"path_length": penalty.detach()}, 1 / len(parts))
        self._take_step(self._g_optim, self.net, sums)
        return sums

    def _take_step(
        self, optimiser: torch.optim.Optimizer, net: nn.Module, terms: dict[str, Tensor]
    ) -> Tensor:
        """Average the gradients over processes, clip them, and move the weights.

        Returns:
            The gradients' length before clipping.

        Raises:
            NotFiniteError: A gradient or a loss is not finite. Under f16 a gradient may be, while
                the scaler looks for its scale.
        """
        self.processes.average_gradients(net.parameters())
        self._scaler.unscale_(optimiser)
        limit = self.config.optimiser.clip_norm or math.inf
        norm = nn.utils.clip_grad_norm_(net.parameters(), limit)
        searching = self._scaler.is_enabled() and not bool(norm.isfinite())
        finite = torch.stack([norm, *terms.values()]).isfinite().all()
        if not searching and self.processes.any(not bool(finite)):
            raise NotFiniteError
        self._scaler.step(optimiser)
        self._scaler.update()
        return norm.detach()

    def _follow(self) -> None:
        """Move the average towards the generator."""
        optimiser = self.config.optimiser
        seen = (self.step + 1) * optimiser.batch
        half_life = optimiser.ema_half_life
        if not self.config.network.init:
            half_life = min(half_life, max(_RAMP_UP * seen, 1.0))
        update_average(self.average, self.net, keep=0.5 ** (optimiser.batch / half_life))

    @contextlib.contextmanager
    def _frozen(self, module: nn.Module | None) -> Iterator[None]:
        """Ask for no gradients of a network's weights; the pictures' still pass through it."""
        if module is not None:
            module.requires_grad_(requires_grad=False)
        try:
            yield
        finally:
            if module is not None:
                module.requires_grad_(requires_grad=True)

    def state(self) -> dict[str, Any]:
        """Everything that the run goes on from, under the published checkpoints' names."""
        state: dict[str, Any] = {
            "step": self.step,
            "size": self.size,
            "retries": self.retries,
            "path_mean": float(self.path_mean),
            "g": self.net.state_dict(),
            "g_ema": self.average.state_dict(),
            "g_optim": self._g_optim.state_dict(),
            "scaler": self._scaler.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.discriminator is not None and self._d_optim is not None:
            state["d"] = self.discriminator.state_dict()
            state["d_optim"] = self._d_optim.state_dict()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        if state["size"] != self.size:
            self._build(state["size"])
        self.net.load_state_dict(state["g"])
        self.average.load_state_dict(state["g_ema"])
        self._g_optim.load_state_dict(state["g_optim"])
        self._scaler.load_state_dict(state["scaler"])
        if self.discriminator is not None and self._d_optim is not None:
            self.discriminator.load_state_dict(state["d"])
            self._d_optim.load_state_dict(state["d_optim"])
        self.step, self.retries = state["step"], state["retries"]
        self.path_mean = torch.tensor(state["path_mean"], device=self.processes.device)
        torch.set_rng_state(state["random"])


def _mean(logits: Sequence[Tensor]) -> Tensor:
    return torch.stack([scale.detach().mean() for scale in logits]).mean()


def _add(sums: dict[str, Tensor], terms: dict[str, Tensor], factor: float) -> None:
    for name, term in terms.items():
        sums[name] = sums.get(name, 0) + term.detach() * factor
