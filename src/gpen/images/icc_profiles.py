"""ICC profiles of colour spaces that a file names by numbers.

Source: ICC.1:2022 (profile version 4.4); Bradford adaptation after its annex E.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from ..types import Float64Array

#: x and y of red, green, blue and white.
Chromaticities = tuple[float, float, float, float, float, float, float, float]

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])
#: IEC 61966-2-1, as the numbers g, a, b, c, d of a parametric curve of type 3.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@cache
def rgb_profile(name: str, chromaticities: Chromaticities) -> bytes:
    """An ICC profile of an RGB space with the tone curve of sRGB.

    Args:
        name: What programs show.
        chromaticities: x and y of red, green, blue and white.
    """
    white = _xyz(*chromaticities[6:])
    adapt = _adaptation(white)
    columns = adapt @ _rgb_to_xyz(chromaticities, white)
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + _fixed(_SRGB_CURVE)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz_tag(_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(adapt.ravel()),
        **{mark: _xyz_tag(columns[:, i]) for i, mark in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    for mark, data in tags.items():
        table += mark + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">4x4sI4s4s4s", b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ")
    header = (header + bytes(12) + b"acsp").ljust(68, b"\0") + _fixed(_D50)
    rest = header[4:].ljust(124, b"\0") + table + body
    return struct.pack(">I", len(rest) + 4) + rest


def _xyz(x: float, y: float) -> Float64Array:
    """A chromaticity as XYZ of luminance 1."""
    return np.array([x / y, 1, (1 - x - y) / y])


def _rgb_to_xyz(chromaticities: Chromaticities, white: Float64Array) -> Float64Array:
    """The matrix whose columns are the primaries, scaled so that they add up to white."""
    red, green, blue = (_xyz(*chromaticities[i : i + 2]) for i in (0, 2, 4))
    primaries = np.stack([red, green, blue], axis=1)
    scaled: Float64Array = primaries * np.linalg.solve(primaries, white)
    return scaled


def _adaptation(white: Float64Array) -> Float64Array:
    """The matrix that makes a white D50."""
    gains = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    matrix: Float64Array = np.linalg.inv(_BRADFORD) @ gains @ _BRADFORD
    return matrix


def _fixed(numbers: object) -> bytes:
    return np.rint(np.asarray(numbers, np.float64) * 65536).astype(">i4").tobytes()


def _xyz_tag(xyz: Float64Array) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(xyz)


def _text(text: str) -> bytes:
    letters = text.encode("utf-16-be")
    return (
        b"mluc"
        + bytes(4)
        + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(letters), 28)
        + letters
    )
