"""Random files of the networks that judge."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn


def save(net: nn.Module, path: Path, seed: int = 0) -> Path:
    """Random weights under which signals keep their strength, as .pth or .safetensors."""
    torch.manual_seed(seed)
    for name, value in net.state_dict().items():
        if value.dim() > 1:
            nn.init.kaiming_normal_(value)
        elif "var" in name:
            value.uniform_(0.5, 1.5)
        elif value.is_floating_point():
            value.normal_(0.5 if name.endswith("weight") else 0.0, 0.1)
    state = net.state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def settle(net: nn.Module, images: torch.Tensor) -> None:
    """Set batch normalisation to these images, as training does.

    Without it a deep random network answers all images alike.
    """
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = 1.0  # the statistics of the one batch that comes
    with torch.no_grad():
        net.train()(images)


def save_heads(widths: list[int], path: Path) -> Path:
    """Heads of which the k-th sums all channels times k + 1."""
    heads = {
        f"lin{k}.model.1.weight": torch.full((1, width, 1, 1), k + 1.0)
        for k, width in enumerate(widths)
    }
    torch.save(heads, path)
    return path


def picture(size: int, seed: int, batch: int = 1) -> torch.Tensor:
    """Smooth colours in [-1, 1]."""
    coarse = torch.rand(batch, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
