"""The discriminator and its part of a training step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..networks.discriminator import Discriminator
from ..networks.patchgan import PatchDiscriminator
from ..networks.projected import ProjectedDiscriminator
from . import losses
from .batches import Batch
from .config_sections import Loss
from .optimiser_step import Learner

AnyDiscriminator = Discriminator | PatchDiscriminator | ProjectedDiscriminator
#: Images of a batch's faces → the discriminator's inputs.
Look = Callable[[Tensor, Batch], tuple[Tensor, ...]]
#: Rate of the moving averages of logits that `losses.lecam` compares with.
_USUAL_RATE = 0.01


class Judging(nn.Module):
    """A discriminator's `score` as the `forward` of a module, so that torch can compile it."""

    def __init__(self, discriminator: AnyDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, *inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Logits of each scale, and features."""
        return self.discriminator.score(*inputs)


#: Logits of each scale, and features.
DiscriminatorOutput = tuple[list[Tensor], list[Tensor]]


class DiscriminatorStep:
    """A discriminator in training.

    True images go through it once per step: feature matching uses the features, the
    discriminator's own loss the logits. That is valid because both networks compute their
    gradients before either is updated.

    Args:
        discriminator: The network.
        judge: Its `score` as a module, compiled or not.
        learner: Its optimiser.
        autocast: Makes the context in which `judge` runs.
        look: Turns images into the inputs of `judge`.

    Attributes:
        usual: Moving averages of its logits of real and of restored faces, (2,).
    """

    def __init__(
        self,
        discriminator: AnyDiscriminator,
        judge: nn.Module,
        learner: Learner,
        autocast: Callable[[], contextlib.AbstractContextManager[Any]],
        look: Look,
    ) -> None:
        self.discriminator, self.learner = discriminator, learner
        self._judge, self._autocast, self._look = judge, autocast, look
        self.usual = torch.zeros(2, device=next(discriminator.parameters()).device)
        self._of_truth: tuple[Batch, DiscriminatorOutput] | None = None

    def of_restored(self, restored: Tensor, batch: Batch) -> DiscriminatorOutput:
        """Logits and features of restored images, for the generator to learn from.

        Gradients reach the images, but not the discriminator's weights.
        """
        self.discriminator.requires_grad_(requires_grad=False)
        try:
            return self._discriminator_output(restored, batch)
        finally:
            self.discriminator.requires_grad_(requires_grad=True)

    def of_truth(self, batch: Batch) -> DiscriminatorOutput:
        """Logits and features of true images, with gradients; computed once per batch."""
        if self._of_truth is None or self._of_truth[0] is not batch:
            self._of_truth = batch, self._discriminator_output(batch.truth, batch)
        return self._of_truth[1]

    def _discriminator_output(self, images: Tensor, batch: Batch) -> DiscriminatorOutput:
        with self._autocast():
            opinion: DiscriminatorOutput = self._judge(*self._look(images, batch))
        return opinion

    def learn(
        self, batch: Batch, restored: Tensor, loss: Loss, *, share: float
    ) -> dict[str, Tensor]:
        """Compute the gradients of the discriminator's loss.

        Args:
            batch: True images.
            restored: The generator's outputs, detached.
            loss: Weights and kind.
            share: Fraction of the step that this part is.

        Returns:
            The loss and mean logits.
        """
        real, fake = self.of_truth(batch)[0], self._discriminator_output(restored, batch)[0]
        self._of_truth = None  # its graph is gone after this
        real, fake = [scale.float() for scale in real], [scale.float() for scale in fake]
        terms = {"discriminator": losses.discriminator_loss(real, fake, loss.adversarial_kind)}
        total = terms["discriminator"]
        if loss.lecam:
            terms["lecam"] = self._apart(real, fake)
            total = total + loss.lecam * terms["lecam"]
        self.learner.backward(total * share)
        told = {"real": _mean(real), "fake": _mean(fake)}
        self.usual.lerp_(torch.stack(list(told.values())), _USUAL_RATE * share)
        return told | {name: term.detach() for name, term in terms.items()}

    def _apart(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
        """LeCam regularisation, averaged over the scales."""
        scales = zip(real, fake, strict=True)
        return torch.stack(
            [
                losses.lecam(r.flatten(1).mean(dim=1), f.flatten(1).mean(dim=1), *self.usual)
                for r, f in scales
            ]
        ).mean()

    def take_step(
        self, parts: Sequence[Batch], terms: dict[str, Tensor], loss: Loss, rate: float, *, r1: bool
    ) -> dict[str, Tensor]:
        """Update the weights.

        Args:
            parts: True images of the step.
            terms: The results of `learn`, summed over the parts.
            loss: Weights.
            rate: Factor of the learning rate.
            r1: Whether R1 is due.

        Returns:
            All terms, and the gradient norm.

        Raises:
            NotFiniteError: A loss or gradient is not finite.
        """
        if r1:
            terms = terms | {"r1": self._penalise(parts, loss)}
        return terms | {"d_norm": self.learner.take_step(rate, terms)}

    def _penalise(self, parts: Sequence[Batch], loss: Loss) -> Tensor:
        """R1 on true images, in f32 and not compiled, because it is differentiated twice."""
        total = parts[0].truth.new_zeros(())
        for batch in parts:
            truth = batch.truth.detach().requires_grad_()
            logits, _ = self.discriminator.score(*self._look(truth, batch))
            penalty = losses.r1_penalty(logits, truth) / len(parts)
            self.learner.backward(loss.r1 / 2 * loss.r1_every * penalty)
            total = total + penalty.detach()
        return total


def _mean(logits: Sequence[Tensor]) -> Tensor:
    return torch.stack([scale.detach().mean() for scale in logits]).mean()
