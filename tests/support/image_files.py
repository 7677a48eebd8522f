"""Small photos for the tests of reading and writing, some put together by hand."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image
from PIL import ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gradient(height: int = 24, width: int = 36) -> np.ndarray:
    """A smooth image without any symmetry."""
    y, x = np.mgrid[:height, :width]
    channels = [x / width, y / height, (x + y) / (height + width)]
    return np.rint(np.stack(channels, axis=-1) * 255).astype(np.uint8)


def save(image: PIL.Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = PIL.Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def png(color_type: int, bits: int, samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file from raw samples, (height, width, …), put together by hand."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def exif_with(orientation: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    return exif


def bomb(width: int, height: int) -> bytes:
    """A PNG header that promises many pixels, and no pixels behind it."""
    whole = png(2, 8, np.zeros((1, 1, 3)))
    header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]


def tiff(samples: np.ndarray, *, orientation: int = 1, planes: int = 1, extra: int = 2) -> bytes:
    """An uncompressed big-endian TIFF file of RGB or RGBA samples."""
    height, width, depth = samples.shape
    pixels = samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    shorts = {256: width, 257: height, 259: 1, 262: 2, 274: orientation, 277: depth, 278: height}
    shorts[284] = planes
    if depth == 4:
        shorts[338] = extra
    rows = {tag: struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()}
    bits = struct.pack(f">{depth}H", *[samples.dtype.itemsize * 8] * depth)
    end = 8 + 2 + 12 * (len(rows) + 3) + 4
    rows[258] = struct.pack(">HHII", 258, 3, depth, end)
    rows[273] = struct.pack(">HHII", 273, 4, 1, end + len(bits))
    rows[279] = struct.pack(">HHII", 279, 4, 1, len(pixels))
    directory = struct.pack(">H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows))
    return b"MM\0*" + struct.pack(">I", 8) + directory + bytes(4) + bits + pixels


def gray_profile(gamma: float) -> bytes:
    """An ICC profile of grey with a pure power curve."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)
    return _profile(b"mntrGRAYXYZ ", [(b"wtpt", WHITE), (b"kTRC", curve)])


def black_ink_profile() -> bytes:
    """An ICC profile of a CMYK press whose cyan, magenta and yellow leave no mark."""
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lightness = b"".join(bytes([0 if ink & 1 else 255, 128, 128]) for ink in range(16))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + lightness + ramp * 3
    return _profile(b"prtrCMYKLab ", [(b"A2B0", table + bytes(-len(table) % 4)), (b"wtpt", WHITE)])


#: The white of the profile connection space, D50.
WHITE = b"XYZ " + bytes(4) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)


def _profile(kinds: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """An ICC profile, version 2.1, of a class, colour space and connection space."""
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data
    head = bytes(4) + bytes.fromhex("02100000") + kinds + bytes(12) + b"acsp"
    head = head.ljust(64, b"\0") + WHITE[8:]
    rest = head.ljust(124, b"\0") + table + body
    return struct.pack(">I", len(rest) + 4) + rest
