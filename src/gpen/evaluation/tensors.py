"""Pictures as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def to_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    """RGB (H, W, 3) → (1, 3, H, W) in [-1, 1]."""
    levels = torch.from_numpy(np.ascontiguousarray(image))
    return levels.permute(2, 0, 1)[None].float() / 127.5 - 1
