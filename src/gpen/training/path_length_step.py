"""Path-length regularisation: a change of style changes all images about equally much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..networks.gpen import GPEN
from .batches import Batch, numbers_of_part
from .config import Config
from .config_sections import Loss
from .losses import path_length_penalty, path_lengths
from .optimiser_step import Learner, add_terms
from .processes import Processes


class PathLengthStep:
    """The penalty of Karras et al., CVPR 2020 (StyleGAN2), as a step of the generator's own.

    Attributes:
        mean: Moving average of the path lengths, a scalar.
    """

    def __init__(self, config: Config, processes: Processes) -> None:
        self._config, self._processes = config, processes
        self.mean = torch.zeros((), device=processes.device)

    def take(
        self,
        net: GPEN,
        learner: Learner,
        parts: Sequence[Batch],
        loss: Loss,
        rate: float,
        *,
        key: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Learn from one batch, given in parts.

        Args:
            net: The generator.
            learner: Its optimiser.
            parts: The batch.
            loss: The losses at this step.
            rate: Factor of the learning rates.
            key: Roll-backs and steps so far, which seed the noise.

        Returns:
            The penalty before its weight.
        """
        learner.forget_gradients()
        sums: dict[str, Tensor] = {}
        for micro, batch in enumerate(parts):
            with torch.no_grad():
                code, features = net.encode(batch.damaged)
            w = net.style(code)
            images = net.synthesise(w, features)
            lengths = path_lengths(images, w, self._noise(images, micro, key))
            newest = self._processes.average(lengths.detach().mean())
            penalty, self.mean = path_length_penalty(lengths, newest, self.mean)
            learner.backward(loss.path_length * loss.path_length_every * penalty / len(parts))
            add_terms(sums, {"path_length": penalty}, 1 / len(parts))
        learner.take_step(rate, sums)
        return sums

    def _noise(self, images: Tensor, micro: int, key: tuple[int, int]) -> Tensor:
        """Normal noise, seeded by step and face, so that it is the same on any number of GPUs."""
        optimiser, processes = self._config.optimiser, self._processes
        part = micro * processes.world + processes.rank
        numbers = numbers_of_part(optimiser.batch, part, optimiser.accumulate * processes.world)
        noise = torch.empty(images.shape, device=images.device)
        generator = torch.Generator(images.device)
        for image, number in zip(noise, numbers, strict=True):
            sequence = np.random.SeedSequence((self._config.seed, *key, number))
            generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))
            image.normal_(generator=generator)
        return noise
