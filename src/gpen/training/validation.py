"""Evaluates a run on held-out faces, each time with the same degradation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import TrainingError
from .batches import Batch, collate, damage, sharp_faces, to_batch
from .config import Config
from .config_sections import Data
from .degradation import Recipe
from .face_dataset import Faces
from .perceptual_losses import PerceptualLosses

_SEED, _AT_ONCE = 7, 8
#: Faces on a sample sheet.
SHOWN = 8


class Validation:
    """Held-out faces, degraded once.

    Attributes:
        shown: The first faces, for sample sheets.
    """

    def __init__(self, faces: Faces, recipe: Recipe, config: Config) -> None:
        samples = [
            damage(faces[number], np.random.default_rng((_SEED, number)), recipe, config.data)
            for number in _chosen(faces, config.data)
        ]
        self._batches = [
            to_batch(collate(samples[i : i + _AT_ONCE])) for i in range(0, len(samples), _AT_ONCE)
        ]
        self.shown: Batch = to_batch(collate(samples[:SHOWN]))

    @torch.inference_mode()
    def figures(
        self, net: nn.Module, perceptual_losses: PerceptualLosses, device: torch.device
    ) -> dict[str, float]:
        """PSNR, L1 and, if its files are given, LPIPS, of outputs and inputs."""
        sums: dict[str, list[Tensor]] = {}
        for cpu_batch in self._batches:
            batch = cpu_batch.to(device)
            restored = net(batch.damaged).clamp(-1, 1)
            for name, images in (("input_", batch.damaged), ("", restored)):
                error = (images - batch.truth).square().mean(dim=(1, 2, 3)) / 4
                sums.setdefault(f"{name}psnr", []).append(-10 * error.clamp_min(1e-10).log10())
                difference = (images - batch.truth).abs().mean(dim=(1, 2, 3))
                sums.setdefault(f"{name}l1", []).append(difference)
                if perceptual_losses.lpips is not None:
                    distance = perceptual_losses.lpips(images, batch.truth)
                    sums.setdefault(f"{name}lpips", []).append(distance)
        return {name: float(torch.cat(values).mean()) for name, values in sums.items()}

    @torch.inference_mode()
    def sheet_rows(self, net: nn.Module, device: torch.device) -> list[Tensor]:
        """Damaged, restored and true faces, (N, 3, S, S) each."""
        restored = net(self.shown.damaged.to(device)).cpu()
        return [self.shown.damaged, restored, self.shown.truth]


def _chosen(faces: Faces, data: Data) -> list[int]:
    """Numbers of the faces to evaluate: sharp ones, in the half that the config chooses."""
    sharp = sharp_faces(faces, data)
    if not sharp:
        raise TrainingError(
            f"none of the faces in {', '.join(data.val)} was captured at {data.detail:g} of "
            f"{faces.size} px; expected some: lower data.detail, or set data.val to sharper faces"
        )
    half = sharp if not data.half else sharp[data.half == "odd" :: 2]
    places = np.linspace(0, len(half) - 1, min(data.validated, len(half)))
    return [half[place] for place in places.round().astype(int).tolist()]


def measure(figures: Mapping[str, Any]) -> str:
    """Name of the figure by which the best weights are chosen; lower is better."""
    return "lpips" if "lpips" in figures else "l1"
