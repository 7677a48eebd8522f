"""VGG and AlexNet, trained on ImageNet, as sources of features.

Sources: Simonyan and Zisserman, ICLR 2015; Krizhevsky et al., 2012, in the one-column form of
Krizhevsky, arXiv 1404.5997. Names and shapes of the tensors are those of torchvision's files.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_VGG_WIDTHS = (64, 128, 256, 512, 512)


class FeatureNet(nn.Module):
    """A row of layers, some of which are tapped.

    Args:
        layers: All layers, by their number in the file.
        taps: Numbers of the layers whose outputs are returned; later layers are left out.
    """

    def __init__(self, layers: Sequence[nn.Module], taps: Sequence[int]) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers[: max(taps) + 1])
        self.taps = frozenset(taps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """A scaled image (N, 3, h, w) → features (N, C, h', w') of each tap in order."""
        features = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                features.append(x)
        return features


def vgg16_for_lpips() -> FeatureNet:
    """VGG-16, tapped after the last ReLU of each stage: relu1_2, 2_2, 3_3, 4_3, 5_3."""
    return FeatureNet(_vgg((2, 2, 3, 3, 3)), (3, 8, 15, 22, 29))


def vgg19_before_relu() -> FeatureNet:
    """VGG-19, tapped before the last ReLU of each stage: conv1_2, 2_2, 3_4, 4_4, 5_4."""
    return FeatureNet(_vgg((2, 2, 4, 4, 4)), (2, 7, 16, 25, 34))


def _vgg(convs: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = 3
    for width, count in zip(_VGG_WIDTHS, convs, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2, 2))
    return layers


def alexnet_for_lpips() -> FeatureNet:
    """AlexNet, tapped after each of its five ReLUs."""
    layers = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    ]  # fmt: skip
    return FeatureNet(layers, (1, 4, 7, 9, 11))
