"""IR-SE50, a face embedding network.

Source: ArcFace (Deng et al., CVPR 2019), with squeeze and excitation (Hu et al., CVPR 2018). Names
and shapes of the tensors are those of InsightFace_Pytorch's model_ir_se50.pth.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

#: Channels and number of blocks of each stage; the first block of each halves the sides.
_STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))
_REDUCTION = 16


class _Excitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // _REDUCTION, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // _REDUCTION, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = functional.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))
        gate: Tensor = self.fc2(squeezed).sigmoid()
        return x * gate


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            _Excitation(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return y


class IRSE50(nn.Module):
    """The network, for faces of 112 × 112 px."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks, inputs = [], 64
        for channels, count in _STAGES:
            for number in range(count):
                blocks.append(_Block(inputs, channels, 1 if number else 2))
                inputs = channels
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(), nn.Flatten(), nn.Linear(512 * 7 * 7, 512),
            nn.BatchNorm1d(512),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """RGB in [-1, 1], (N, 3, 112, 112) → vectors (N, 512), not scaled to length 1."""
        vectors: Tensor = self.output_layer(self.body(self.input_layer(x)))
        return vectors
