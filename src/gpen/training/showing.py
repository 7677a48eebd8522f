"""The inputs of each kind of discriminator."""

from __future__ import annotations

from torch import Tensor

from .augmentation import augment
from .batches import Batch
from .config import Config
from .discriminator_step import Look
from .perceptual_losses import PerceptualLosses
from .views import cut_regions, look_closely


def what_to_show(config: Config, perceptual_losses: PerceptualLosses) -> Look:
    """How images become inputs of the discriminator: whole, or as features and crops."""
    judge, cut = config.discriminator, config.loss.cut

    def change(images: Tensor) -> Tensor:
        return augment(images) if judge.augment else images

    def show_whole(images: Tensor, _batch: Batch) -> tuple[Tensor, ...]:
        return (change(images),)

    def show_parts(images: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        views = change(look_closely(images, batch.cut_xy, cut))
        regions = cut_regions(images, batch.points_xy, batch.sharp, judge.region)
        return (*perceptual_losses.features(views), change(regions))

    return show_parts if judge.kind == "projected" else show_whole
