"""Judges how far each band of detail in a face crop can be trusted; see `gpen.fusion`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Bands judged, from the finest that a crop can hold; each covers an octave.
BANDS = 5
#: Pixels of the crop along the side of a cell in which a band is judged.
CELL = 16

_PATCH, _WIDTH = 32, 64


class ReliabilityNet(nn.Module):
    """Error over signal of every band of a crop, by region.

    Convolutions down to cells of 16 px, what they say of the whole crop, and three more with holes:
    where a cheek shows no detail, eyes and hair tell whether it has lost any.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, _PATCH, 4, stride=4)
        self.halve = nn.Conv2d(_PATCH, _WIDTH, 3, stride=2, padding=1)
        self.halve_again = nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1)
        self.whole = nn.Linear(2 * _WIDTH, _WIDTH)
        self.around = nn.ModuleList(
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=holes, dilation=holes) for holes in (1, 2, 4)
        )
        self.judge = nn.Conv2d(_WIDTH, 2 * BANDS, 1)
        self.activate = nn.LeakyReLU(0.1)

    def forward(self, crops: Tensor) -> Tensor:
        """Judge crops.

        Args:
            crops: (N, 3, S, S) RGB in [-1, 1], S a multiple of 16.

        Returns:
            (N, 2, BANDS, S / 16, S / 16): the base-2 logarithm of the energy of what is wrong in
            a band over the energy of what ought to be there; luma first, then chroma.
        """
        x = self.activate(self.patches(crops))
        x = self.activate(self.halve(x))
        x = self.activate(self.halve_again(x))  # (N, _WIDTH, S / 16, S / 16)
        spread = (x.square().mean(dim=(2, 3)) + 1e-6).sqrt()
        whole = self.whole(torch.cat([x.mean(dim=(2, 3)), spread], dim=1))
        x = x + whole[:, :, None, None]
        for convolution in self.around:
            x = x + self.activate(convolution(x))
        return self.judge(x).unflatten(1, (2, BANDS))
