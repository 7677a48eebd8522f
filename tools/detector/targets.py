"""Targets of the proposal network on a mosaic, and the losses of both networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gpen.networks.detector import STRIDES

from .mosaics import Target

#: A level answers for faces of these sizes, in its own cells; neighbours overlap.
SMALLEST_CELLS, LARGEST_CELLS = 2.2, 6.0
#: Cells whose middle is this close to the middle of a face are to find it.
REACH_CELLS = 1.1
#: Columns of a target row: score (1 face, 0 none, -1 either), answer (14), points count, size.
COLUMNS = 17


def proposal_targets(targets: Sequence[Target], side: int) -> NDArray[np.float32]:
    """The wanted answer for every cell of every level, finest level first.

    Args:
        targets: The faces of a square image.
        side: Its side in pixels.

    Returns:
        (cells, COLUMNS).
    """
    return np.concatenate([_level(targets, side, stride) for stride in STRIDES])


def _level(targets: Sequence[Target], side: int, stride: int) -> NDArray[np.float32]:
    cells = side // stride
    rows = np.zeros((cells, cells, COLUMNS), np.float32)
    middles = (np.arange(cells) + 0.5) * stride - 0.5
    for target in sorted(targets, key=lambda t: -t.size):
        low, high = target.box_xyxy[:2], target.box_xyxy[2:]
        x, y = (low + high) / 2
        distance = np.hypot(middles[None, :] - x, middles[:, None] - y) / stride
        size = target.size / stride
        if not target.certain:
            rows[distance <= 0.5 * size + 1, 0] = -1
            continue
        fits = _fits(target.size, stride)
        if fits > 0.6:
            around = (distance <= 0.3 * size + 1) & (rows[..., 0] != 1)
            rows[around, 0] = -1
        if fits < 1:
            continue
        for row, column in np.argwhere(distance <= REACH_CELLS):
            cell = np.array([middles[column], middles[row]])
            rows[row, column] = np.concatenate(
                [
                    [1],
                    ((low + high) / 2 - cell) / stride,
                    np.log((high - low) / stride),
                    ((target.points_xy - cell) / stride).ravel(),
                    [float(target.placed), size],
                ]
            )
    return rows.reshape(-1, COLUMNS)


def _fits(size: float, stride: int) -> float:
    """1 where a level answers for faces of this size, less the further it is from that."""
    smallest = 0.0 if stride == STRIDES[0] else SMALLEST_CELLS * stride
    largest = np.inf if stride == STRIDES[-1] else LARGEST_CELLS * stride
    return float(min(1.0, size / max(smallest, 1e-6), largest / size))


def proposal_loss(outputs: Sequence[Tensor], wanted: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Focal loss of the scores (Lin et al., ICCV 2017), L1 of boxes and points.

    Args:
        outputs: Of the proposal network, one (N, 15, H, W) per level.
        wanted: (N, cells, COLUMNS), of `proposal_targets`.

    Returns:
        The loss, and its parts for the log.
    """
    flat = torch.cat([a.float().flatten(2).transpose(1, 2) for a in outputs], dim=1)
    score = wanted[..., 0]
    logit, known = flat[..., 0], score >= 0
    face = (score == 1).float()
    probability = torch.sigmoid(logit)
    miss = torch.where(face == 1, 1 - probability, probability)
    weight = torch.where(face == 1, 0.35, 0.65) * miss**2 * known
    entropy = F.binary_cross_entropy_with_logits(logit, face, reduction="none")
    found = score == 1
    count = found.sum().clamp(min=1)
    score_loss = (weight * entropy).sum() / count
    rows, truth = flat[found], wanted[found]
    size = truth[:, 16:17]
    center = ((rows[:, 1:3] - truth[:, 1:3]) / size).abs().sum() / count
    extent = (rows[:, 3:5] - truth[:, 3:5]).abs().sum() / count
    points = ((rows[:, 5:15] - truth[:, 5:15]) / size).abs().mean(1)
    point_loss = (points * truth[:, 15]).sum() / truth[:, 15].sum().clamp(min=1)
    loss = score_loss + center + 0.4 * extent + 4 * point_loss
    parts: dict[str, Any] = {
        "score": score_loss,
        "center": center,
        "extent": extent,
        "points": point_loss,
    }
    return loss, {name: float(value.detach()) for name, value in parts.items()}


def refinement_loss(outputs: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of the score, smooth L1 of points and box.

    Args:
        outputs: (N, 15), of the refinement network.
        wanted: (N, 16): is a face, answer (14), points count.

    Returns:
        The loss, and its parts for the log; `points` is the mean distance in eye distances.
    """
    outputs = outputs.float()
    face, placed = wanted[:, 0], wanted[:, 15] * wanted[:, 0]
    score = F.binary_cross_entropy_with_logits(outputs[:, 0], face)
    points = F.smooth_l1_loss(outputs[:, 1:11], wanted[:, 1:11], reduction="none", beta=0.02)
    box = F.smooth_l1_loss(outputs[:, 11:15], wanted[:, 11:15], reduction="none", beta=0.05)
    point_loss = (points.mean(1) * placed).sum() / placed.sum().clamp(min=1)
    box_loss = (box.mean(1) * face).sum() / face.sum().clamp(min=1)
    with torch.no_grad():
        shift = (outputs[:, 1:11] - wanted[:, 1:11]).view(-1, 5, 2).norm(dim=2).mean(1)
        error = (shift * placed).sum() / placed.sum().clamp(min=1)
        right = ((outputs[:, 0] > 0) == (face == 1)).float().mean()
    loss = score + 8 * point_loss + box_loss
    return loss, {
        "score": float(score.detach()),
        "points": float(error),
        "box": float(box_loss.detach()),
        "right": float(right),
    }
