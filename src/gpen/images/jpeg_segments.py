"""Segments of JPEG files that Pillow does not write: IPTC, in a block of Photoshop's.

Formats: ITU-T T.81, annex B; Adobe, Photoshop file formats (image resource blocks); IPTC-NAA IIM 4.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_IPTC = 0x0404
_APP0, _APP13, _APP15 = 0xE0, 0xED, 0xEF
_SIGNATURE = b"Photoshop 3.0\0"
_MAX_SEGMENT_BYTES = 65_533


def iptc_of_resources(resources: Mapping[int, object]) -> bytes | None:
    """The IPTC records among Photoshop's resources, as Pillow gives them."""
    found = resources.get(_IPTC)
    return bytes(found) if isinstance(found, bytes) and found else None


def with_iptc(data: bytes, iptc: bytes) -> bytes:
    """The same JPEG file with IPTC records; they are left out where they are too long for it."""
    block = b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    content = _SIGNATURE + block
    if len(content) + 2 > _MAX_SEGMENT_BYTES:
        return data
    place = 2
    while data[place] == 0xFF and _APP0 <= data[place + 1] <= _APP15:
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    segment = struct.pack(">BBH", 0xFF, _APP13, len(content) + 2) + content
    return data[:place] + segment + data[place:]
