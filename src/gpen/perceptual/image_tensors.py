"""Converts images to network tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_tensor(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """uint8 RGB (N, H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    if not isinstance(images, Tensor):
        images = torch.from_numpy(np.ascontiguousarray(images))  # torch takes no mirrored arrays
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
