"""Three fixed degrees of damage, so that figures of different days compare.

A face is blurred, shrunk, given noise and JPEG artefacts, and enlarged bicubically to its old side,
which is how `gpen.align` cuts a small face out of a photo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]

#: Side of the face that the widths of blur are given for.
_REFERENCE_SIDE = 256


@dataclass(frozen=True, slots=True)
class Severity:
    """One degree of damage.

    Attributes:
        shrink: Factor of the downsampling (area average).
        blur: Standard deviation of the Gaussian blur before it, in pixels of a 256 px face.
        noise: Standard deviation of the Gaussian noise on the small picture, in levels.
        quality: JPEG quality of the small picture; None for no JPEG.
    """

    shrink: int
    blur: float
    noise: float = 0.0
    quality: int | None = None


MILD = Severity(shrink=2, blur=0.6)
MEDIUM = Severity(shrink=4, blur=1.2)
HARD = Severity(shrink=8, blur=2.0, noise=10.0, quality=60)
SEVERITIES: Mapping[str, Severity] = MappingProxyType(
    {"mild": MILD, "medium": MEDIUM, "hard": HARD}
)


def shrink_face(face: UInt8Array, severity: Severity, random: np.random.Generator) -> UInt8Array:
    """Damage a face and leave it small.

    Args:
        face: RGB, (S, S, 3).
        severity: How much.
        random: Where the noise comes from.

    Returns:
        RGB, (s, s, 3), where s is S / shrink, but at least 4.
    """
    size = face.shape[0]
    image: Any = cv2.GaussianBlur(face, (0, 0), severity.blur * size / _REFERENCE_SIDE)
    small = max(4, round(size / severity.shrink))
    image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    if severity.noise:
        noise = random.standard_normal(image.shape, np.float32) * severity.noise
        image = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    if severity.quality is not None:
        _, code = cv2.imencode(
            ".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, severity.quality]
        )
        image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1]
    return np.ascontiguousarray(image)


def damage_face(face: UInt8Array, severity: Severity, *, seed: int, index: int) -> UInt8Array:
    """Damage a face at its size; the same seed, index and face give the same picture.

    Args:
        face: RGB, (S, S, 3).
        severity: How much.
        seed: Of the whole set.
        index: Place of the face in the set.

    Returns:
        RGB, (S, S, 3), enlarged bicubically.
    """
    small = shrink_face(face, severity, np.random.default_rng((seed, index)))
    size = face.shape[0]
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
