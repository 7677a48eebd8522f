"""RetinaFace: a published face detector whose weight files gpen can use.

Deng et al., "RetinaFace: Single-shot Multi-level Face Localisation in the Wild", CVPR 2020. Layers
and names follow from the tensors of the PyTorch weight files in circulation, with ResNet-50
(He et al., CVPR 2016) or MobileNet-0.25 (Howard et al., 2017) as backbone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Two anchors per cell: their sides in pixels, for strides 8, 16 and 32.
ANCHOR_SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
ANCHORS = 2


def _conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, slope: float | None = None
) -> nn.Sequential:
    """Convolution, batch normalisation and, where a slope is given, leaky ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if slope is not None:
        layers.append(nn.LeakyReLU(slope))
    return nn.Sequential(*layers)


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Depthwise 3×3, then 1×1, each normalised and activated."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.LeakyReLU(0.1),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


class MobileNetQuarter(nn.Module):
    """MobileNet with a quarter of the width: features at strides 8, 16 and 32."""

    channels = (64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            _conv(3, 8, 3, stride=2, slope=0.1),
            _separable(8, 16, 1),
            _separable(16, 32, 2),
            _separable(32, 32, 1),
            _separable(32, 64, 2),
            _separable(64, 64, 1),
        )
        rest = [_separable(128, 128, 1) for _ in range(5)]
        self.stage2 = nn.Sequential(_separable(64, 128, 2), *rest)
        self.stage3 = nn.Sequential(_separable(128, 256, 2), _separable(256, 256, 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → features of 64, 128 and 256 channels."""
        first = self.stage1(image)
        second = self.stage2(first)
        return [first, second, self.stage3(second)]


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions beside a shortcut; the 3×3 carries the stride."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, 4·width, H/stride, W/stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """ResNet-50 without its classifier: features at strides 8, 16 and 32."""

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _bottlenecks(64, 64, 3, stride=1)
        self.layer2 = _bottlenecks(256, 128, 4, stride=2)
        self.layer3 = _bottlenecks(512, 256, 6, stride=2)
        self.layer4 = _bottlenecks(1024, 512, 3, stride=2)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → features of 512, 1024 and 2048 channels."""
        x = F.relu(self.bn1(self.conv1(image)))
        x = self.layer1(F.max_pool2d(x, 3, 2, 1))
        first = self.layer2(x)
        second = self.layer3(first)
        return [first, second, self.layer4(second)]


def _bottlenecks(inputs: int, width: int, count: int, *, stride: int) -> nn.Sequential:
    rest = [Bottleneck(4 * width, width, 1) for _ in range(count - 1)]
    return nn.Sequential(Bottleneck(inputs, width, stride), *rest)


class Pyramid(nn.Module):
    """Feature pyramid: coarse features, enlarged, are added to finer ones."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        slope = _slope(width)
        self.output1 = _conv(channels[0], width, 1, slope=slope)
        self.output2 = _conv(channels[1], width, 1, slope=slope)
        self.output3 = _conv(channels[2], width, 1, slope=slope)
        self.merge1 = _conv(width, width, 3, slope=slope)
        self.merge2 = _conv(width, width, 3, slope=slope)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Three features → three of `width` channels."""
        fine, middle, coarse = features
        third = self.output3(coarse)
        second = self.output2(middle)
        second = self.merge2(second + F.interpolate(third, size=second.shape[2:]))
        first = self.output1(fine)
        first = self.merge1(first + F.interpolate(second, size=first.shape[2:]))
        return [first, second, third]


class Context(nn.Module):
    """Convolutions of three fields of view side by side (SSH, Najibi et al., ICCV 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        slope = _slope(width)
        self.conv3X3 = _conv(width, width // 2, 3)
        self.conv5X5_1 = _conv(width, width // 4, 3, slope=slope)
        self.conv5X5_2 = _conv(width // 4, width // 4, 3)
        self.conv7X7_2 = _conv(width // 4, width // 4, 3, slope=slope)
        self.conv7x7_3 = _conv(width // 4, width // 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) → the same shape."""
        shared = self.conv5X5_1(x)
        wide = self.conv7x7_3(self.conv7X7_2(shared))
        return F.relu(torch.cat([self.conv3X3(x), self.conv5X5_2(shared), wide], dim=1))


def _slope(width: int) -> float:
    """Of leaky ReLU: the narrow network was trained with a leak, the wide one without."""
    return 0.1 if width <= 64 else 0.0


class Head(nn.Module):
    """`count` numbers for every anchor."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.conv1x1 = nn.Conv2d(width, ANCHORS * count, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) → (N, H·W·anchors, count)."""
        numbers: Tensor = self.conv1x1(x).permute(0, 2, 3, 1)
        return numbers.reshape(x.shape[0], -1, self.count)


class RetinaFace(nn.Module):
    """The whole detector.

    Args:
        backbone: "resnet50" or "mobilenet".
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        body = ResNet50() if backbone == "resnet50" else MobileNetQuarter()
        width = 256 if backbone == "resnet50" else 64
        self.body = body
        self.fpn = Pyramid(body.channels, width)
        self.ssh1, self.ssh2, self.ssh3 = (Context(width) for _ in range(3))
        self.ClassHead = nn.ModuleList(Head(width, 2) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(width, 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(width, 10) for _ in range(3))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answer for every anchor.

        Args:
            image: (N, 3, H, W), BGR in 0…255 minus (104, 117, 123); H, W multiples of 32.

        Returns:
            Probability of a face (N, A), boxes (N, A, 4) and points (N, A, 10), both still
            relative to the anchors.
        """
        levels = self.fpn(self.body(image))
        levels = [ssh(x) for ssh, x in zip((self.ssh1, self.ssh2, self.ssh3), levels, strict=True)]

        def outputs(heads: nn.ModuleList) -> Tensor:
            return torch.cat([head(x) for head, x in zip(heads, levels, strict=True)], dim=1)

        scores = F.softmax(outputs(self.ClassHead), dim=2)[..., 1]
        return scores, outputs(self.BboxHead), outputs(self.LandmarkHead)
