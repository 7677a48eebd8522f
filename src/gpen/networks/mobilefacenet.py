"""MobileFaceNet (Chen et al., CCBR 2018), a face embedding network.

Names and shapes of the tensors are those of MobileFaceNet_Pytorch's 068.ckpt.
"""

from __future__ import annotations

from torch import Tensor, nn

#: Widening, channels, number and first stride of the residual blocks.
_STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


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
    """The network, for faces of 96 × 112 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.dw_conv1 = _Conv(3, 64, 3, 2, 1), _Conv(64, 64, 3, 1, 1, 64)
        blocks, width = [], 64
        for widening, channels, count, stride in _STAGES:
            for n in range(count):
                blocks.append(_Block(width, channels, widening, stride if n == 0 else 1))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Conv(width, 512, 1, 1, 0)
        self.linear7 = _Conv(512, 512, (7, 6), 1, 0, 512, linear=True)
        self.linear1 = _Conv(512, 128, 1, 1, 0, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """RGB (level - 127.5) / 128, (N, 3, 112, 96) → vectors (N, 128), not of length 1."""
        x = self.conv2(self.blocks(self.dw_conv1(self.conv1(x))))
        vectors: Tensor = self.linear1(self.linear7(x)).flatten(1)
        return vectors
