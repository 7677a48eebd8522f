"""Images as the detector's networks take them, and their scores as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...types import Float64Array, FloatArray
from .refinement_crops import CROP_SIZE

#: What the networks see of a pixel's values.
IN_NETWORK = (np.arange(256) / 127.5 - 1).astype(np.float32)


def to_network(images: Sequence[Any] | NDArray[np.uint8]) -> FloatArray:
    """N times uint8 RGB (H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    size = images[0].shape[:2] if len(images) else (CROP_SIZE, CROP_SIZE)
    planes = np.empty((len(images), 3, *size), np.float32)
    for image, target in zip(images, planes, strict=True):
        for channel in range(3):
            cv2.LUT(cv2.extractChannel(image, channel), IN_NETWORK, target[channel])
    return planes


def sigmoid(logits: NDArray[np.float64]) -> Float64Array:
    """1 / (1 + exp(-x)), without overflow."""
    result: Float64Array = 0.5 * (1 + np.tanh(0.5 * logits))
    return result


def logit(probabilities: Float64Array) -> Float64Array:
    """The inverse of `sigmoid`, within ±12."""
    within = np.clip(probabilities, 1e-12, 1 - 1e-12)
    result: Float64Array = np.clip(np.log(within / (1 - within)), -12, 12)
    return result
