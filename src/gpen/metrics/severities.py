"""Three fixed degrees of damage, for comparable figures.

A face is blurred, shrunk, and given noise and JPEG artefacts. `gpen.metrics.evaluation_tasks`
enlarges it bicubically to its old side, as `gpen.faces.alignment` does with a small face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
#: A damaged face and its truth.
Pair = tuple[UInt8Array, UInt8Array]

#: Side of the face that the widths of blur are given for. They are a quarter to a third of a pixel
#: of the small image, as a good lens has.
_REFERENCE_SIDE = 256


@dataclass(frozen=True, slots=True)
class Severity:
    """One degree of damage.

    Attributes:
        shrink: Factor of the downsampling (area average).
        blur: Standard deviation of the Gaussian blur before it, in pixels of a 256 px face.
        noise: Standard deviation of the Gaussian noise on the small image, in levels.
        quality: JPEG quality of the small image; None for no JPEG.
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


def severity_damage(severity: Severity, seed: int) -> Callable[[UInt8Array, int], Pair]:
    """What damages the faces of a set: each alike whenever it has the same index in the set.

    Args:
        severity: How much.
        seed: Of the set.

    Returns:
        A function of a face, RGB (S, S, 3), and its index in the set, that gives the small damaged
        face and the truth, which is the face.
    """

    def damage(face: UInt8Array, index: int) -> Pair:
        return shrink_face(face, severity, np.random.default_rng((seed, index))), face

    return damage
