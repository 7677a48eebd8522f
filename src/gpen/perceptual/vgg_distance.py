"""VGG-19 feature distance.

Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
ECCV 2016; layers and weights as in GFPGAN (Wang et al., CVPR 2021): conv1_2, conv2_2, conv3_4,
conv4_4 and conv5_4 before their ReLU, weighted 0.1, 0.1, 1, 1, 1, compared by L1.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks.imagenet_features import vgg19_before_relu
from .network_files import fill, read_tensors

_SETTING = "files.vgg19"
_EXPECTED = (
    "torchvision's VGG-19, features.0.weight to features.34.bias: vgg19-dcbb9e9d.pth from "
    "https://download.pytorch.org/models/"
)
_WEIGHTS = (0.1, 0.1, 1.0, 1.0, 1.0)
#: Mean and standard deviation of ImageNet, RGB in [0, 1].
_MEAN_RGB, _DEVIATION_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VggDistance(nn.Module):
    """Weighted L1 between features of VGG-19.

    Args:
        path: VGG-19 of torchvision, .pth or .safetensors.

    Raises:
        TrainingError: The file is missing, or is something else.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.net = vgg19_before_relu()
        fill(self.net, read_tensors(path, _SETTING, _EXPECTED), path, _SETTING, _EXPECTED)
        self.register_buffer("mean", torch.tensor(_MEAN_RGB).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION_RGB).view(1, 3, 1, 1))

    def forward(self, restored: Tensor, truth: Tensor) -> Tensor:
        """RGB in [-1, 1], (N, 3, h, w) each → distances (N,), float32; 0 where both are equal."""
        total = restored.new_zeros(len(restored), dtype=torch.float32)
        with torch.no_grad():
            wanted = self._features(truth)
        for a, b, weight in zip(self._features(restored), wanted, _WEIGHTS, strict=True):
            total = total + weight * (a.float() - b).abs().mean(dim=(1, 2, 3))
        return total

    def _features(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.net(((x + 1) / 2 - self.mean) / self.deviation)
        return features
