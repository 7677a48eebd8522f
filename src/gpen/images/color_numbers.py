"""What the numbers of a file mean as colours where it brings no ICC profile.

AVIF and HEIC name their colours by numbers (nclx), PNG by the chunks cICP, gAMA and cHRM. What is
read becomes what the rest of gpen knows: pixels with the tone curve of sRGB, and an ICC profile
where their primaries are others.

Sources: ITU-T H.273 (the numbers); PNG Specification, Third Edition, section 11.3.2, W3C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import PIL.Image

from ..errors import ReadError
from ..types import Pixels
from .heif_boxes import read_properties
from .icc_profiles import Chromaticities, rgb_profile
from .png16 import read_chunks

_D65 = (0.3127, 0.3290)
_SRGB: Chromaticities = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
#: Primaries by number; those of sRGB (1) and what is unknown (2) need no profile.
_PRIMARIES: dict[int, tuple[str, Chromaticities]] = {
    4: ("BT.470 M", (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316)),
    5: ("BT.601 625", (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65)),
    6: ("BT.601 525", (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65)),
    7: ("SMPTE 240M", (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *_D65)),
    9: ("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65)),
    11: ("DCI-P3", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351)),
    12: ("Display P3", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *_D65)),
}
#: Transfers that displays show as sRGB: BT.709 and its like, unknown, sRGB itself.
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_HDR = {16: "PQ", 18: "HLG"}
#: A gamma that is near enough to sRGB's to mean it, as in most files that state 1/2.2.
_NEAR_SRGB = 0.1


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the samples of an image become light.

    Attributes:
        profile: ICC profile of its primaries, with the tone curve of sRGB; None for those of sRGB.
        gamma: Exponent of its own tone curve, which `to_srgb_curve` replaces; None where the curve
            is that of sRGB already.
    """

    profile: bytes | None = None
    gamma: float | None = None


def declared_encoding(pil_image: PIL.Image.Image, data: bytes) -> Encoding:
    """What a file without an ICC profile, or in spite of it, says of its colours.

    Args:
        pil_image: The opened file.
        data: The same file.

    Raises:
        ReadError: It is an HDR image, whose light has no place in 8 or 16 bits of sRGB.
    """
    has_profile = bool(pil_image.info.get("icc_profile"))
    if pil_image.format == "PNG":
        # cICP counts more than a profile, which counts more than sRGB, which counts more than gAMA.
        if len(code := read_chunks(data).get(b"cICP", b"")) == 4:
            if not code[3]:
                raise ReadError("its samples are of narrow range (cICP): save it as a plain PNG")
            return _of_numbers(code[0], code[1])
        return Encoding() if has_profile or "srgb" in pil_image.info else _of_gamma(pil_image)
    found = read_properties(data).cicp
    if found is None:
        return Encoding()
    encoding = _of_numbers(found[0], found[1])
    return Encoding() if has_profile else encoding


def _of_numbers(primaries: int, transfer: int) -> Encoding:
    if transfer in _HDR:
        raise ReadError(
            f"it is an HDR photo ({_HDR[transfer]}), which would come out flat: "
            "save it as SDR (Display P3 or sRGB) first"
        )
    gamma = None if transfer in _LIKE_SRGB else _GAMMAS.get(transfer)
    if transfer not in _LIKE_SRGB and gamma is None:
        raise ReadError(f"its tone curve has number {transfer}, which gpen cannot read")
    named = _PRIMARIES.get(primaries)
    return Encoding(rgb_profile(*named) if named else None, gamma)


def _of_gamma(pil_image: PIL.Image.Image) -> Encoding:
    """By the chunks gAMA and cHRM, which old programs write into PNG."""
    stored = float(pil_image.info.get("gamma", 0))
    gamma = 1 / stored if stored > 0 else None
    if gamma is not None and abs(gamma - 2.2) < _NEAR_SRGB:
        gamma = None
    points = pil_image.info.get("chromaticity")  # white first
    if points is None or (gamma is None and not stored):
        return Encoding(None, gamma)
    primaries = cast("Chromaticities", tuple(float(v) for v in (*points[2:], *points[:2])))
    is_srgb = np.allclose(primaries, _SRGB, atol=0.005)
    is_possible = all(0 <= x <= 1 for x in primaries) and all(y > 0 for y in primaries[1::2])
    if is_srgb or not is_possible:
        return Encoding(None, gamma)
    return Encoding(rgb_profile("cHRM", primaries), gamma)


def to_srgb_curve(pixels: Pixels, gamma: float) -> Pixels:
    """Samples of a power curve with the tone curve of sRGB instead, in the same depth.

    Source: IEC 61966-2-1.
    """
    top = np.iinfo(pixels.dtype).max
    light = (np.arange(top + 1) / top) ** gamma
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table = np.rint(curve * top).astype(pixels.dtype)
    return cast("Pixels", table[pixels])
