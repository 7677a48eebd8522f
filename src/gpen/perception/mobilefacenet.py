"""MobileFaceNet (Chen et al., CCBR 2018): a face as a vector, near for the same person.

Its weights have no licence: gpen measures with them, and neither ships nor trains with them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .. import geometry

#: Five points in the network's input of 96 × 112 pixels.
TEMPLATE_XY = np.array(
    [[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366], [33.5493, 92.3655],
     [62.7299, 92.2041]]
)  # fmt: skip
SIZE_WH = (96, 112)
#: Widening, channels, number and first stride of the residual blocks.
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class _Conv(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, side: int | tuple[int, int], stride: int, padding: int,
        groups: int = 1, *, linear: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.prelu = nn.Identity() if linear else nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.prelu(self.bn(self.conv(x)))
        return result


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, widening: int, stride: int) -> None:
        super().__init__()
        wide = inputs * widening
        self.residual = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide),
            nn.PReLU(wide), nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileFaceNet(nn.Module):
    """Load the weights of a checkpoint; `identities` turns faces into unit vectors."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.conv1, self.dw_conv1 = _Conv(3, 64, 3, 2, 1), _Conv(64, 64, 3, 1, 1, 64)
        blocks, width = [], 64
        for widening, channels, count, stride in STAGES:
            for n in range(count):
                blocks.append(_Block(width, channels, widening, stride if n == 0 else 1))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Conv(width, 512, 1, 1, 0)
        self.linear7 = _Conv(512, 512, (7, 6), 1, 0, 512, linear=True)
        self.linear1 = _Conv(512, 128, 1, 1, 0, linear=True)
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        self.load_state_dict(state["net_state_dict"])
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """RGB (N, 3, 112, 96) in [-1, 1] → unit vectors (N, 128)."""
        x = self.conv2(self.blocks(self.dw_conv1(self.conv1(x))))
        return functional.normalize(self.linear1(self.linear7(x)).flatten(1))

    @torch.inference_mode()
    def identities(
        self, images: NDArray[np.uint8], points_xy: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """RGB (N, S, S, 3) and the five points of each (N, 5, 2) → unit vectors (N, 128)."""
        crops = [
            geometry.warp(image, geometry.fit_similarity(points, TEMPLATE_XY), SIZE_WH)
            for image, points in zip(images, points_xy, strict=True)
        ]
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
        parts = [self((batch[i : i + 32] - 127.5) / 128) for i in range(0, len(batch), 32)]
        result: NDArray[np.float32] = torch.cat(parts).numpy()
        return result
