"""Estimates the error over signal of each band of detail in a face crop.

See `gpen.blending.reliability_estimator`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Bands judged, from the finest that a crop can hold; each covers an octave.
BANDS = 5
#: Pixels of the crop along the side of a cell in which a band is judged.
CELL = 16

_PATCHES, _WIDTH = 16, 64
#: Added to amplitudes before their logarithm is taken: a quarter of a level.
_SEEN = 0.002


class ReliabilityNet(nn.Module):
    """Error over signal of every band of a crop, by region.

    It sees how strong each band is in each cell of 16 px, and what convolutions find there; then
    what all cells say together, and those around: where a cheek shows no detail, eyes and hair tell
    whether it has lost any.
    """

    luma_chroma: Tensor
    binomial: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, _PATCHES, 4, stride=4)
        self.halve = nn.Conv2d(_PATCHES, 2 * _PATCHES, 3, stride=2, padding=1)
        self.halve_again = nn.Conv2d(2 * _PATCHES, 2 * _PATCHES, 3, stride=2, padding=1)
        self.join = nn.Conv2d(6 * BANDS + 2 * _PATCHES, _WIDTH, 1)
        self.whole = nn.Linear(2 * _WIDTH, _WIDTH)
        self.around = nn.ModuleList(
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=holes, dilation=holes) for holes in (1, 2, 4)
        )
        self.judge = nn.Conv2d(_WIDTH, 2 * BANDS, 1)
        self.activate = nn.LeakyReLU(0.1)
        mixing = [[0.299, 0.587, 0.114], [0.701, -0.587, -0.114], [-0.299, -0.587, 0.886]]
        self.register_buffer("luma_chroma", torch.tensor(mixing)[:, :, None, None])
        taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("binomial", torch.outer(taps, taps).expand(3, 1, 5, 5).clone())

    def forward(self, crops: Tensor) -> Tensor:
        """Judge crops.

        Args:
            crops: (N, 3, S, S) RGB in [-1, 1], S a multiple of 16.

        Returns:
            (N, 2, BANDS, S / 16, S / 16): the base-2 logarithm of the energy of what is wrong in
            a band over the energy of what ought to be there; luma first, then chroma.
        """
        x = self.activate(self.halve(self.activate(self.patches(crops))))
        x = torch.cat([self.activate(self.halve_again(x)), self._amplitudes(crops)], dim=1)
        x = self.activate(self.join(x))  # (N, _WIDTH, S / 16, S / 16)
        spread = ((x - x.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(2, 3)) + 1e-6).sqrt()
        whole = self.whole(torch.cat([x.mean(dim=(2, 3)), spread], dim=1))
        x = x + whole[:, :, None, None]
        for convolution in self.around:
            x = x + self.activate(convolution(x))
        judged: Tensor = self.judge(x)
        return judged.reshape(len(judged), 2, BANDS, *judged.shape[2:])

    def _amplitudes(self, crops: Tensor) -> Tensor:
        """Logarithms of the mean and the largest amplitude of each band and cell.

        Returns:
            (N, 6 · BANDS, S / 16, S / 16).
        """
        x = functional.conv2d(crops, self.luma_chroma)
        amplitudes = []
        for band in range(BANDS):
            padded = functional.pad(x, (2, 2, 2, 2), mode="replicate")
            soft = functional.conv2d(padded, self.binomial, groups=3)
            detail = (x - soft).abs()
            side = CELL >> band
            amplitudes += [functional.avg_pool2d(detail, side), functional.max_pool2d(detail, side)]
            x = functional.avg_pool2d(soft, 2)
        return torch.log2(torch.cat(amplitudes, dim=1) + _SEEN)
