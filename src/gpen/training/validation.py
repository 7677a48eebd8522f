"""How a run does on held-out faces: the same faces with the same damage every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .batches import Batch, collate, damage, to_batch
from .config import Config
from .degradation import Recipe
from .face_dataset import Faces
from .perceptual_losses import PerceptualLosses

_SEED, _AT_ONCE = 7, 8
#: Faces on a sheet.
SHOWN = 8


class Validation:
    """Held-out faces, damaged once.

    Attributes:
        shown: The first faces, for sheets.
    """

    def __init__(self, faces: Faces, recipe: Recipe, config: Config) -> None:
        chosen = np.linspace(0, len(faces) - 1, min(config.data.validated, len(faces)))
        samples = [
            damage(faces[number], np.random.default_rng((_SEED, number)), recipe, flip=0)
            for number in chosen.round().astype(int).tolist()
        ]
        self._batches = [
            to_batch(collate(samples[i : i + _AT_ONCE])) for i in range(0, len(samples), _AT_ONCE)
        ]
        self.shown: Batch = to_batch(collate(samples[:SHOWN]))

    @torch.inference_mode()
    def figures(
        self, net: nn.Module, perceptual_losses: PerceptualLosses, device: torch.device
    ) -> dict[str, float]:
        """PSNR, L1, and LPIPS where its files are at hand, of the outputs and of their input."""
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


def measure(figures: Mapping[str, Any]) -> str:
    """Which figure to keep the best by; lower is better."""
    return "lpips" if "lpips" in figures else "l1"
