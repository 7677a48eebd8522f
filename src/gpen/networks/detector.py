"""The networks of the face detector of gpen.

The proposal network takes a whole image and gives, for every cell of four grids, whether a face of
that grid's size is centred there, its box and its five points. The refinement network takes one
upright crop, says whether it really shows a face and places box and points precisely.

Both take float32 RGB, NCHW, in [-1, 1]. The kind is that of BlazeFace (Bazarevsky et al., 2019)
and FCOS (Tian et al., ICCV 2019): plain residual convolutions, a feature pyramid, no anchors.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Grid cells of the proposal network, in pixels.
STRIDES = (4, 8, 16, 32)
#: Score logit, centre (x, y), log size (w, h), five points (x, y).
PROPOSAL_CHANNELS = 15
#: Side of the refinement network's crop, in pixels.
CROP_SIZE = 64
#: Score logit, five points (x, y), box centre (x, y), box log size (w, h).
REFINEMENT_CHANNELS = 15


def _conv(inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """x + two 3×3 convolutions of x, then ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) → the same shape."""
        return F.relu(x + self.norm(self.second(self.first(x))))


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """Halve the image, then `blocks` residual blocks."""
    return nn.Sequential(
        _conv(inputs, outputs, stride=2), *(Residual(outputs) for _ in range(blocks))
    )


class ProposalNetwork(nn.Module):
    """Single-shot detector: where faces are, roughly.

    Args:
        widths: Channels at strides 2, 4, 8, 16 and 32.
        neck: Channels of the feature pyramid.
    """

    def __init__(
        self, widths: tuple[int, int, int, int, int] = (16, 24, 48, 64, 96), neck: int = 32
    ) -> None:
        super().__init__()
        self.stem = _conv(3, widths[0], stride=2)
        self.stages = nn.ModuleList(
            _stage(below, width, blocks)
            for below, width, blocks in zip(widths, widths[1:], (1, 1, 2, 2), strict=False)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in widths[1:])
        self.smooth = nn.ModuleList(_conv(neck, neck) for _ in STRIDES)
        self.heads = nn.ModuleList(_proposal_head(neck) for _ in STRIDES)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Answer for every cell.

        Args:
            image: (N, 3, H, W), H and W multiples of 32.

        Returns:
            For each stride s, (N, 15, H/s, W/s): see `PROPOSAL_CHANNELS`. Lengths are in units of
            the stride, positions relative to the middle of the cell.
        """
        x = self.stem(image)
        features = []
        for stage, lateral in zip(self.stages, self.laterals, strict=True):
            x = stage(x)
            features.append(lateral(x))
        outputs: list[Tensor] = []
        above: Tensor | None = None
        levels = zip(features, self.smooth, self.heads, strict=True)
        for feature, smooth, head in reversed(list(levels)):
            merged = feature if above is None else feature + _double(above)
            above = smooth(merged)
            outputs.append(head(above))
        return tuple(reversed(outputs))


def _proposal_head(width: int) -> nn.Conv2d:
    head = nn.Conv2d(width, PROPOSAL_CHANNELS, 1)
    nn.init.normal_(head.weight, std=0.01)
    bias = torch.zeros(PROPOSAL_CHANNELS)
    bias[0] = -4.6  # nearly all cells are empty
    head.bias = nn.Parameter(bias)
    return head


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class RefinementNetwork(nn.Module):
    """Scores an upright crop, and refines box and points.

    Args:
        widths: Channels at strides 2, 4, 8 and 16.
        hidden: Width of the layer before the output.
    """

    def __init__(
        self, widths: tuple[int, int, int, int] = (24, 48, 96, 96), hidden: int = 128
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _stage(3, widths[0], 1),
            _stage(widths[0], widths[1], 1),
            _stage(widths[1], widths[2], 1),
            _stage(widths[2], widths[3], 1),
        )
        cells = (CROP_SIZE // 16) ** 2
        self.hidden = nn.Linear(widths[3] * cells, hidden)
        self.head = nn.Linear(hidden, REFINEMENT_CHANNELS)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, crops: Tensor) -> Tensor:
        """Answer for every crop.

        Args:
            crops: (N, 3, 64, 64).

        Returns:
            (N, 15): see `REFINEMENT_CHANNELS`. Points are relative to the template, the box centre
            to the middle of the crop, in units of the template's eye distance; sizes are logs of
            the same unit.
        """
        features: Tensor = self.features(crops).flatten(1)
        output: Tensor = self.head(F.relu(self.hidden(features)))
        return output


def parameter_groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Parameters for an optimiser: weight decay on matrices and kernels only."""

    def group(parameters: Iterable[nn.Parameter], weight_decay: float) -> dict[str, object]:
        return {"params": list(parameters), "weight_decay": weight_decay}

    return [
        group((p for p in net.parameters() if p.ndim > 1), decay),
        group((p for p in net.parameters() if p.ndim <= 1), 0.0),
    ]
