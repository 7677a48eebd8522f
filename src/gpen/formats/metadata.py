"""What travels with a photo: EXIF, XMP, colour profile, resolution."""

from __future__ import annotations

import logging
import math
import re
import struct
from typing import Any

import PIL.Image

from ..types import Metadata

logger = logging.getLogger("gpen")

EXIF_HEADER = b"Exif\0\0"
ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
#: TIFF tags that describe the photo and not its storage: ImageDescription, Make, Model,
#: Software, DateTime, Artist, Copyright.
DESCRIPTIVE_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)


def read_metadata(picture: PIL.Image.Image) -> tuple[Metadata, int]:
    """Metadata of a loaded picture, as it has to be written beside upright pixels.

    Args:
        picture: Loaded; some formats store metadata behind the pixels.

    Returns:
        The metadata, and the EXIF orientation (1-8) that the pixels still wait for.
    """
    info = picture.info
    exif, orientation = _read_exif(picture)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    if xmp:
        # Pillow and others look here too; two answers would turn the photo twice.
        xmp = re.sub(rb'(tiff:Orientation(?:=["\']|>))[2-8]', rb"\g<1>1", xmp)
    metadata = Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=exif,
        xmp=xmp or None,
        dpi=_read_dpi(picture),
    )
    return metadata, orientation


def upright_exif(exif: bytes) -> tuple[bytes | None, int]:
    """An EXIF block with its orientation set to 1 and its thumbnail unlinked.

    The block is changed in place: rebuilding it would break maker notes, which hold offsets
    into it. The thumbnail shows the photo before restoration and before the turn.

    Returns:
        The block (None where it is corrupt), beginning with "Exif", and the orientation it had.
    """
    block = bytearray(exif.removeprefix(EXIF_HEADER))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(block[:4]))
    if order is None:
        return None, 1
    orientation = 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == ORIENTATION:
                code = order + ("I" if kind == 4 else "H")
                (orientation,) = struct.unpack_from(code, block, entry + 8)
                struct.pack_into(code, block, entry + 8, 1)
        end = start + 2 + 12 * count
        block[end : end + 4] = bytes(4)
    except struct.error:
        return None, 1
    return EXIF_HEADER + bytes(block), orientation if 1 <= orientation <= 8 else 1


def load_exif(exif: bytes | None) -> PIL.Image.Exif:
    """An EXIF block as tags; empty where there is none."""
    tags = PIL.Image.Exif()
    if exif:
        tags.load(exif)
    return tags


def _read_exif(picture: PIL.Image.Image) -> tuple[bytes | None, int]:
    info = picture.info
    if picture.format == "TIFF":
        return exif_of_tiff(picture), 1  # Pillow has turned the pixels already
    stored = info.get("exif")
    if not stored and "Raw profile type exif" in info:  # how ImageMagick writes EXIF into PNG
        stored = picture.getexif().tobytes()
    if not stored:
        return None, 1
    exif, orientation = upright_exif(stored)
    if exif is None:
        logger.warning("the EXIF block is corrupt and is left out")
    return exif, orientation


def exif_of_tiff(picture: PIL.Image.Image) -> bytes | None:
    """An EXIF block from the tags of a TIFF file, without those that describe its storage."""
    stored = picture.getexif()
    kept = PIL.Image.Exif()
    for tag in DESCRIPTIVE_TAGS:
        if tag in stored:
            kept[tag] = stored[tag]
    found = len(kept) > 0
    for group in (EXIF_IFD, GPS_IFD):
        if group in stored:
            kept.get_ifd(group).update(stored.get_ifd(group))
            found = True
    return kept.tobytes() if found else None


def _read_dpi(picture: PIL.Image.Image) -> tuple[float, float] | None:
    """The resolution; None where the file gives none or nonsense such as 0 or 1 dpi."""
    value: Any = picture.info.get("dpi")
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(v) and v > 1 for v in (x, y)) else None
