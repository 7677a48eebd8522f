"""What AVIF and HEIC files say of their colours and depth, which decoders keep to themselves.

Format: ISO/IEC 14496-12 (boxes), 23008-12 (HEIF), ITU-T H.273 (the numbers).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: Boxes that hold others, on the way to the properties of images; "meta" has 4 bytes of its own.
_PARENTS = {b"meta": 4, b"iprp": 0, b"ipco": 0}


@dataclass(frozen=True, slots=True)
class Properties:
    """Properties of the images of a file.

    Attributes:
        cicp: Primaries, transfer and matrix by the numbers of ITU-T H.273; None where none are
            given.
        bits: Of each channel of the deepest image.
    """

    cicp: tuple[int, int, int] | None
    bits: int


def read_properties(data: bytes) -> Properties:
    """The properties in a file; a damaged one has none."""
    cicp, bits = None, 8
    for kind, content in _boxes(data, 0, len(data)):
        if kind == b"colr" and content[:4] == b"nclx" and cicp is None and len(content) >= 10:
            cicp = struct.unpack_from(">HHH", content, 4)
        elif kind == b"pixi" and len(content) > 5:
            bits = max(bits, *content[5 : 5 + content[4]])
    return Properties(cicp, bits)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The kind and content of every box at or below a place that may hold properties."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return
        if kind in _PARENTS:
            yield from _boxes(data, start + head + _PARENTS[kind], start + size)
        elif kind in (b"colr", b"pixi"):
            yield kind, data[start + head : start + size]
        start += size
