"""PNG with 16 bits per channel, of which Pillow reads and writes grey only.

Format: Portable Network Graphics (PNG) Specification, Third Edition, W3C.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from ..types import Metadata
from .metadata import EXIF_HEADER

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Colour type by number of channels: grey, grey + alpha, RGB, RGBA.
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
FILTER_AVERAGE = 3
METRES_PER_INCH = 0.0254


def encode_png16(samples: NDArray[np.uint16], metadata: Metadata) -> bytes:
    """A PNG file of 16 bits per channel.

    Args:
        samples: (height, width, channels): grey, grey + alpha, RGB or RGBA.
        metadata: Goes into the chunks iCCP, pHYs, eXIf and iTXt.
    """
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, COLOR_TYPES[channels], 0, 0, 0)
    return b"".join(
        [
            SIGNATURE,
            _chunk(b"IHDR", header),
            *_metadata_chunks(metadata),
            _chunk(b"IDAT", _compress(samples)),
            _chunk(b"IEND", b""),
        ]
    )


def read_chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks before the pixels by kind, of several of a kind the first; {} for other files."""
    found: dict[bytes, bytes] = {}
    start = len(SIGNATURE)
    while data.startswith(SIGNATURE) and start + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        if kind == b"IDAT":
            break
        found.setdefault(kind, data[start + 8 : start + 8 + size])
        start += 12 + size
    return found


def xmp_text(xmp: bytes) -> bytes:
    """The data of the iTXt chunk that holds an XMP packet, uncompressed, of no language."""
    return b"XML:com.adobe.xmp" + b"\0" * 5 + xmp


def text_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Kind and data of a chunk for each text; a comment of another format is one too."""
    texts = list(metadata.texts)
    if metadata.comment and all(keyword != "Comment" for keyword, _ in texts):
        texts.append(("Comment", metadata.comment.decode("utf-8", "replace")))
    return [_text_chunk(keyword, text) for keyword, text in texts]


def _text_chunk(keyword: str, text: str) -> tuple[bytes, bytes]:
    """TEXt where Latin-1 holds the text, which every program reads; else iTXt."""
    name = keyword.encode("latin-1", "replace")[:79]
    try:
        return b"tEXt", name + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", name + b"\0" * 5 + text.encode("utf-8", "surrogatepass")


def without_metadata(data: bytes) -> bytes:
    """The same PNG file with nothing but what its pixels need."""
    kept, start = [SIGNATURE], len(SIGNATURE)
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + size
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            kept.append(data[start:end])
        start = end
    return b"".join([*kept, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _metadata_chunks(metadata: Metadata) -> list[bytes]:
    """Chunks in an order that the specification allows: all before the pixels."""
    chunks = []
    if metadata.icc_profile:
        chunks.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc_profile)))
    if metadata.dpi:
        x, y = (round(dots / METRES_PER_INCH) for dots in metadata.dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif.removeprefix(EXIF_HEADER)))
    if metadata.xmp:
        chunks.append(_chunk(b"iTXt", xmp_text(metadata.xmp)))
    chunks += [_chunk(kind, data) for kind, data in text_chunks(metadata)]
    return chunks


def _compress(samples: NDArray[np.uint16]) -> bytes:
    """Filtered and deflated rows.

    The low bytes of images are noise. One filter for all rows and matching of runs only came
    out smaller than deflate's full search on a noisy image, and in a quarter of the time.
    """
    height, width, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, width * channels * 2)
    step = channels * 2
    total = np.zeros(rows.shape, np.uint16)  # left + above, which does not fit a byte
    total[:, step:] += rows[:, :-step]
    total[1:] += rows[:-1]
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = FILTER_AVERAGE
    filtered[:, 1:] = rows - (total >> 1).astype(np.uint8)
    deflate = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return deflate.compress(filtered.data) + deflate.flush()
