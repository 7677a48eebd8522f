"""What a discriminator's opinion costs generator and discriminator.

Logits are those of `judge`: one tensor for each scale, higher where it looks real. Each scale
counts the same, however many patches it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Kind = Literal["nonsaturating", "hinge"]


def generator_loss(logits: Sequence[Tensor], kind: Kind) -> Tensor:
    """Scalar that falls as restored images look more real.

    Sources: non-saturating logistic, softplus(-x): Goodfellow et al., "Generative Adversarial
    Nets", 2014, as in StyleGAN2; hinge, -x: Lim and Ye, "Geometric GAN", 2017.
    """
    if kind == "hinge":
        return _mean(logits, torch.neg)
    return _mean(logits, lambda x: functional.softplus(-x))


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor], kind: Kind) -> Tensor:
    """Scalar that falls as real and restored images are told apart better.

    Sources: as in `generator_loss`. Logistic: softplus(-real) + softplus(fake); hinge:
    max(0, 1 - real) + max(0, 1 + fake), which is not halved.
    """
    if kind == "hinge":
        on_real = _mean(real, lambda x: functional.relu(1 - x))
        return on_real + _mean(fake, lambda x: functional.relu(1 + x))
    return _mean(real, lambda x: functional.softplus(-x)) + _mean(fake, functional.softplus)


def _mean(logits: Sequence[Tensor], cost: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack([cost(x.float()).mean() for x in logits]).mean()


def feature_matching(fake_features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a discriminator's features, averaged over its layers.

    Source: pix2pixHD (Wang et al., CVPR 2018), equation 4. No gradient flows to the real side.

    Args:
        fake_features: Of restored images, (N, C, h, w) each.
        real_features: Of their truth, the same shapes.

    Returns:
        A scalar.
    """
    pairs = zip(fake_features, real_features, strict=True)
    return torch.stack([(fake.float() - real.detach()).abs().mean() for fake, real in pairs]).mean()
