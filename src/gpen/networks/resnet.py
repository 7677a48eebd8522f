"""A residual network that turns a face into a code and keeps its feature maps.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, bottleneck blocks with
the stride in the 3 × 3 convolution. Modified: GroupNorm (Wu & He, ECCV 2018) instead of BatchNorm,
so that a face is restored alike alone, in a batch and in several processes. Tensors are named as
torchvision names them, norms `norm` instead of `bn`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .gpen_config import EXPANSION, NORM_EPSILON, norm_groups
from .layers import Linear


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def _norm(groups: int, channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=NORM_EPSILON)


class _Bottleneck(nn.Module):
    """1 × 1 to `width`, 3 × 3, 1 × 1 to four times `width`, beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, groups: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1, self.norm1 = _convolution(inputs, width, 1), _norm(groups, width)
        self.conv2, self.norm2 = _convolution(width, width, 3, stride), _norm(groups, width)
        self.conv3, self.norm3 = _convolution(width, outputs, 1), _norm(groups, outputs)
        # At first a block changes nothing, which lets deep networks learn (Goyal et al. 2017).
        nn.init.zeros_(self.norm3.weight)
        self.downsample = (
            nn.Sequential(_convolution(inputs, outputs, 1, stride), _norm(groups, outputs))
            if stride > 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, 4 · width, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        return functional.relu(self.norm3(self.conv3(y)) + shortcut)


class ResNet(nn.Module):
    """A residual network without a classifier.

    Args:
        blocks: Blocks of each of the four layers.
        width: Channels of the stem; the layers have 4, 8, 16 and 32 times as many.
        outputs: Length of the code.
    """

    def __init__(self, blocks: tuple[int, ...], width: int, outputs: int) -> None:
        super().__init__()
        groups, inputs = norm_groups(width), width
        self.conv1, self.norm1 = _convolution(3, width, 7, 2), _norm(groups, width)
        for number, count in enumerate(blocks):
            narrow = width << number
            layer = nn.Sequential()
            for block in range(count):
                stride = 2 if number and not block else 1
                layer.append(_Bottleneck(inputs, narrow, stride, groups))
                inputs = EXPANSION * narrow
            self.add_module(f"layer{number + 1}", layer)
        self.layers = [f"layer{number + 1}" for number in range(len(blocks))]
        self.fc = Linear(inputs, outputs)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """RGB in [-1, 1] (N, 3, S, S), S ≥ 8 → codes (N, outputs) and the map of each stage.

        The maps are the image, the stem at S / 2 and the layers at S / 4, S / 8, S / 16, S / 32.
        """
        x = functional.relu(self.norm1(self.conv1(image)))
        maps = [image, x]
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for name in self.layers:
            x = self.get_submodule(name)(x)  # (N, C, r, r), r halving from the second on
            maps.append(x)
        return self.fc(x.mean(dim=(2, 3))), maps
