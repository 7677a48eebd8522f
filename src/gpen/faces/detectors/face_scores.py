"""The score of a face as a probability, from what two networks say of it.

Logistic regression on the logit of the refinement network, the size of the face and, as far as
YuNet could have seen the face at all, its logit. `tools.detector fit` finds the weights; how
often faces of each score are faces is in MODELS.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...types import Float64Array
from .candidates import Candidates
from .network_planes import logit, sigmoid

#: What YuNet is taken to say where it proposes nothing.
NOTHING = 0.05
#: YuNet sees nothing of faces of the first size in its image, and all it can of the second; pixels.
UNSEEN, SEEN = 8.0, 24.0
#: Cosine of the tilt up to which YuNet knows faces.
UPRIGHT = 0.8
#: Candidates of both networks whose middles are nearer than this, in sizes, are of one face.
NEAR = 0.35
#: Sizes are compared with this one, in pixels.
USUAL_SIZE = 48.0

#: Weights of the columns of `columns`.
WEIGHTS: Float64Array = np.array([-1.902, 0.98, 0.716, -0.396, 0.98])


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of candidates.

    Attributes:
        refined: Logit of the refinement network, (N,).
        sizes: In pixels of the image, (N,).
        seen: How far YuNet could see each, from 0 to 1, (N,).
        yunet: Its logit, (N,).
    """

    refined: Float64Array
    sizes: Float64Array
    seen: Float64Array
    yunet: Float64Array


def evidence_of(found: Candidates, yunet: Candidates, yunet_scale: float) -> Evidence:
    """What both networks say of candidates.

    Args:
        found: Scored by the refinement network.
        yunet: All that YuNet proposes, in the same image.
        yunet_scale: Size of the largest image that YuNet saw, against the image.
    """
    sizes = np.maximum(found.sizes, 1e-6)
    eyes = found.points_xy[:, 1] - found.points_xy[:, 0]
    down = found.points_xy[:, 3:].mean(axis=1) - found.points_xy[:, :2].mean(axis=1)
    lengths = np.maximum(np.hypot(*eyes.T) + np.hypot(*down.T), 1e-6)
    upright = (eyes[:, 0] + down[:, 1]) / lengths > UPRIGHT
    seen = np.clip((sizes * yunet_scale - UNSEEN) / (SEEN - UNSEEN), 0, 1) * upright
    return Evidence(logit(found.scores), sizes, seen, logit(_nearest(found, yunet)))


def _nearest(found: Candidates, yunet: Candidates) -> Float64Array:
    """The highest score of YuNet's candidates for the same face as each, (N,)."""
    middles, others = (c.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1) for c in (found, yunet))
    away = np.hypot(*(middles[:, None] - others[None]).transpose(2, 0, 1))
    ratio = found.sizes[:, None] / np.maximum(yunet.sizes[None], 1e-6)
    same = (away < NEAR * found.sizes[:, None]) & (ratio > 0.5) & (ratio < 2)
    scores: Float64Array = np.where(same, yunet.scores, NOTHING).max(axis=1, initial=NOTHING)
    return scores


def columns(evidence: Evidence) -> Float64Array:
    """What the regression sees, (N, 5)."""
    return np.stack(
        [
            np.ones_like(evidence.refined),
            evidence.refined,
            np.log2(evidence.sizes / USUAL_SIZE),
            evidence.seen,
            evidence.seen * evidence.yunet,
        ],
        axis=1,
    )


def probability(evidence: Evidence) -> Float64Array:
    """The probability that each candidate is a face, (N,)."""
    return sigmoid(columns(evidence) @ WEIGHTS)


def least_probability(sizes: Float64Array) -> Float64Array:
    """What a face of each size must reach to be reported, (N,)."""
    return np.where(sizes >= SMALLEST, np.interp(sizes, *LEAST), np.inf)


#: Smaller ones are mostly texture, and nothing in them could be restored, in pixels.
SMALLEST = 12.0
#: Sizes, and what a face of each must reach.
LEAST = ([12.0, 20.0], [0.65, 0.5])
