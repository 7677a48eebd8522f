"""The discriminator's side of a step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..nets.discriminator import Discriminator
from ..nets.patchgan import PatchDiscriminator
from . import losses
from .batches import Batch
from .config import Loss
from .optimising import Learner, add_terms


class Judging(nn.Module):
    """A discriminator's `judge` as a module of its own, which is what torch compiles."""

    def __init__(self, discriminator: Discriminator | PatchDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Logits of each scale, and features."""
        return self.discriminator.judge(image)


class Opponent:
    """A discriminator that learns.

    Args:
        discriminator: The network.
        judge: Its `judge`, compiled or not.
        learner: Its optimiser.
        autocast: Makes the context that `judge` runs in.
    """

    def __init__(
        self,
        discriminator: Discriminator | PatchDiscriminator,
        judge: nn.Module,
        learner: Learner,
        autocast: Callable[[], contextlib.AbstractContextManager[Any]],
    ) -> None:
        self.discriminator, self.judge, self.learner = discriminator, judge, learner
        self._autocast = autocast

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Ask for no gradients of its weights; the pictures' still pass through it."""
        self.discriminator.requires_grad_(requires_grad=False)
        try:
            yield
        finally:
            self.discriminator.requires_grad_(requires_grad=True)

    def step(
        self,
        parts: Sequence[Batch],
        restored: Sequence[Tensor],
        loss: Loss,
        rate: float,
        *,
        penalise: bool,
    ) -> dict[str, Tensor]:
        """Learn to tell true pictures from restored ones.

        Args:
            parts: True pictures.
            restored: What the generator made of each part, without gradient.
            loss: Weights and kind.
            rate: Factor of the learning rate.
            penalise: Whether R1 is due.

        Returns:
            Losses and mean logits.

        Raises:
            NotFiniteError: A loss or gradient is not finite.
        """
        self.learner.forget_gradients()
        sums: dict[str, Tensor] = {}
        for batch, pictures in zip(parts, restored, strict=True):
            with self._autocast():
                real, _ = self.judge(batch.truth)
                fake, _ = self.judge(pictures)
            real, fake = [scale.float() for scale in real], [scale.float() for scale in fake]
            term = losses.discriminator_loss(real, fake, loss.adversarial_kind)
            self.learner.backward(term / len(parts))
            told = {"real": _mean(real), "fake": _mean(fake), "discriminator": term}
            add_terms(sums, told, 1 / len(parts))
        if penalise:
            sums["r1"] = self._penalise(parts, loss)
        sums["d_norm"] = self.learner.take_step(rate, sums)
        return sums

    def _penalise(self, parts: Sequence[Batch], loss: Loss) -> Tensor:
        """R1 on true pictures, in f32 and not compiled: it is differentiated twice."""
        total = parts[0].truth.new_zeros(())
        for batch in parts:
            truth = batch.truth.detach().requires_grad_()
            logits, _ = self.discriminator.judge(truth)
            penalty = losses.r1_penalty(logits, truth) / len(parts)
            self.learner.backward(loss.r1 / 2 * loss.r1_every * penalty)
            total = total + penalty.detach()
        return total


def _mean(logits: Sequence[Tensor]) -> Tensor:
    return torch.stack([scale.detach().mean() for scale in logits]).mean()
