"""The generator's loss: the weighted sum of the losses of a config."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import losses
from .batches import Batch
from .config_sections import Loss
from .discriminator_step import DiscriminatorStep
from .perceptual_losses import PerceptualLosses
from .views import look_closely, without_missing_detail

#: Mean absolute error of a typical damaged face, and an offset that keeps weights finite.
_USUAL_ERROR, _LEAST_ERROR = 0.05, 0.01
#: Keeps the scale of a discriminator's gradient finite.
_LEAST_PUSH = 1e-8


@dataclass(slots=True)
class Outcome:
    """The generator's loss and its terms.

    Attributes:
        total: The sum to differentiate.
        terms: Each loss before its weight, for the log.
    """

    total: Tensor
    terms: dict[str, Tensor]


class Objective:
    """Computes the loss of a restored batch.

    Args:
        perceptual_losses: The networks that losses need.
        discriminator_step: The discriminator; None without adversarial loss.
    """

    def __init__(
        self, perceptual_losses: PerceptualLosses, discriminator_step: DiscriminatorStep | None
    ) -> None:
        self._perceptual_losses, self._discriminator_step = perceptual_losses, discriminator_step

    def score(self, restored: Tensor, batch: Batch, loss: Loss) -> Outcome:
        """The loss of a batch.

        Args:
            restored: (N, 3, S, S) f32 in about [-1, 1], with gradient.
            batch: What it was restored from. Samples are weighted by `inside`, so that faces with
                mirrored margins count less.
            loss: Weights.
        """
        weight = batch.inside * _relative_weight(batch, loss.relative)
        terms = _pixels(restored, batch, loss, weight)
        close = dict(self._perceptual_losses.distances(loss))
        if loss.texture:
            close["texture"] = losses.texture
        if close:
            both = (restored, batch.truth)
            views = [look_closely(images, batch.cut_xy, loss.cut) for images in both]
            terms |= {name: (weight * judge(*views)).mean() for name, judge in close.items()}
        if loss.identity and self._perceptual_losses.identity is not None:
            stranger = self._perceptual_losses.identity(restored, batch.truth, batch.points_xy)
            terms["identity"] = (weight * stranger).mean()
        total = _weighted(terms, loss, restored)
        if loss.adversarial and self._discriminator_step is not None:
            opinion = _discriminator_output(self._discriminator_step, restored, batch, loss)
            against = _weighted(opinion, loss, restored)
            total = _balanced(restored, total, against, loss) if loss.balance else total + against
            terms |= opinion
        return Outcome(total, {name: term.detach() for name, term in terms.items()})


def _weighted(terms: dict[str, Tensor], loss: Loss, restored: Tensor) -> Tensor:
    return sum((getattr(loss, name) * term for name, term in terms.items()), restored.new_zeros(()))


def _balanced(restored: Tensor, own: Tensor, against: Tensor, loss: Loss) -> Tensor:
    """A loss whose gradient at the output is that of `own` plus a scaled one of `against`.

    The latter is scaled to `loss.adversarial` times the norm of the former.
    """
    gradient, push = (
        torch.autograd.grad(term, restored, retain_graph=True)[0] for term in (own, against)
    )
    scale = loss.adversarial * gradient.norm() / (push.norm() + _LEAST_PUSH)
    surrogate: Tensor = (restored * (gradient + scale * push)).sum()
    return surrogate


def _relative_weight(batch: Batch, relative: float) -> Tensor:
    """Weight of each face, (N,): above 1 with little damage, about 1 with typical damage."""
    error = (batch.damaged - batch.truth).abs().mean(dim=(1, 2, 3))
    return ((_USUAL_ERROR + _LEAST_ERROR) / (error + _LEAST_ERROR)) ** relative


def _pixels(restored: Tensor, batch: Batch, loss: Loss, weight: Tensor) -> dict[str, Tensor]:
    """The pixel losses, by name."""
    importance = None
    if loss.eyes or loss.mouth:
        importance = losses.importance_map(
            batch.points_xy, restored.shape[-1], eyes=loss.eyes, mouth=loss.mouth
        )
    pixel_losses = {
        "l1": losses.l1,
        "l2": losses.l2,
        "smooth_l1": losses.smooth_l1,
        "l1_coarse": losses.l1_coarse,
    }
    own, truth = (without_missing_detail(images, batch.sharp) for images in (restored, batch.truth))
    return {
        name: (weight * error(own, truth, importance)).mean()
        for name, error in pixel_losses.items()
        if getattr(loss, name)
    }


def _discriminator_output(
    discriminator_step: DiscriminatorStep, restored: Tensor, batch: Batch, loss: Loss
) -> dict[str, Tensor]:
    """The adversarial loss and feature matching of the batch."""
    logits, features = discriminator_step.of_restored(restored, batch)
    terms = {
        "adversarial": losses.generator_loss(
            [scale.float() for scale in logits], loss.adversarial_kind
        )
    }
    if loss.feature_matching:
        _, wanted = discriminator_step.of_truth(batch)
        terms["feature_matching"] = losses.feature_matching(
            [layer.float() for layer in features], [layer.float() for layer in wanted]
        )
    return terms
