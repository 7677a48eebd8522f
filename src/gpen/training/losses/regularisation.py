"""Penalties on gradients; costly, so that a run adds them only every few steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: Share of the newest lengths in the mean, as published.
_MEAN_RATE = 0.01


def r1_penalty(logits: Sequence[Tensor], images: Tensor) -> Tensor:
    """Mean squared length of the logits' gradient at real images.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018,
    equation 9, without its factor γ/2: StyleGAN2 adds γ/2 · every · this at every 16th step. A
    image's logit is the mean over its patches and over the scales.

    Args:
        logits: Of each scale, (N, ...), computed from `images`.
        images: (N, 3, H, W), with `requires_grad` set before they were judged.

    Returns:
        A scalar that can be differentiated once more.
    """
    score = torch.stack([x.float().flatten(1).mean(dim=1) for x in logits]).mean(dim=0)
    (gradient,) = torch.autograd.grad(score.sum(), images, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean()


def lecam(real: Tensor, fake: Tensor, usual_real: Tensor, usual_fake: Tensor) -> Tensor:
    """LeCam regularisation: distance of the logits of either side from the mean of the other.

    It keeps the two from diverging on small data sets. Source: Tseng et al., "Regularizing
    Generative Adversarial Networks under Limited Data", CVPR 2021, equation 5.

    Args:
        real: Mean logit of each real image, (N,).
        fake: The same of restored ones.
        usual_real: Scalar: the moving mean of `real`.
        usual_fake: The same of `fake`.
    """
    return (real - usual_fake).square().mean() + (fake - usual_real).square().mean()


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """How much images change with their styles: |Jᵀy|, where y is normal noise.

    Source: StyleGAN2 (Karras et al., CVPR 2020), section 3.2.

    Args:
        images: (N, 3, H, W), computed from `w`.
        w: Styles (N, D) that need gradients.
        noise: Normal, in the shape of the images.

    Returns:
        (N,), which can be differentiated once more.
    """
    # Images of any size then have lengths of one order.
    noise = noise / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * noise).sum(), w, create_graph=True)
    # The root's own gradient is infinite at 0.
    return (gradient.float().square().sum(dim=1) + 1e-12).sqrt()


def path_length_penalty(lengths: Tensor, newest: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Deviation of path lengths from their moving mean a: (|Jᵀy| - a)².

    Source: StyleGAN2 (Karras et al., CVPR 2020), section 3.2.

    Args:
        lengths: (N,), from `path_lengths`.
        newest: Scalar: the mean of these lengths, over all processes.
        mean: Scalar; 0 at first, then what the last call returned.

    Returns:
        The penalty, a scalar that can be differentiated once more, and the new mean.
    """
    updated = torch.lerp(mean, newest, _MEAN_RATE)
    return (lengths - updated).square().mean(), updated
