"""Metadata of an image: EXIF, XMP, IPTC, texts, colour profile, resolution."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Mapping
from typing import Any

import PIL.Image

from ..types import Metadata
from .jpeg_segments import iptc_of_resources
from .xmp import upright_xmp, without_promises

logger = logging.getLogger("gpen")

EXIF_HEADER = b"Exif\0\0"
ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
WIDTH, LENGTH, EXIF_WIDTH, EXIF_LENGTH, IPTC = 0x0100, 0x0101, 0xA002, 0xA003, 0x83BB
#: TIFF tags that describe the image and not its storage: ImageDescription, Make, Model,
#: Software, DateTime, Artist, Copyright.
DESCRIPTIVE_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)


def read_metadata(pil_image: PIL.Image.Image) -> tuple[Metadata, int, list[str]]:
    """Metadata of a loaded image, as it has to be written beside upright pixels.

    Args:
        pil_image: Loaded; some formats store metadata behind the pixels.

    Returns:
        The metadata, the EXIF orientation (1-8) that the pixels still wait for, and the names of
        what lies in the file besides and is left out, such as the gain map of an HDR photo.
    """
    info = pil_image.info
    exif, orientation = _read_exif(pil_image)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    left_out = _other_images(pil_image)
    if xmp:
        xmp, promised = without_promises(upright_xmp(xmp, orientation))
        left_out = promised or left_out
    metadata = Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=exif,
        xmp=xmp or None,
        dpi=_read_dpi(pil_image),
        iptc=_read_iptc(pil_image),
        comment=_read_comment(pil_image),
        texts=_read_texts(pil_image),
    )
    return metadata, orientation, left_out


def upright_exif(exif: bytes) -> tuple[bytes | None, int]:
    """An EXIF block with its orientation set to 1 and its thumbnail unlinked.

    The block is changed in place: rebuilding it would break maker notes, which hold offsets
    into it. The thumbnail shows the image before restoration and before the turn.

    Returns:
        The block (None where it is corrupt), beginning with "Exif", and the orientation it had.
    """
    block = bytearray(exif.removeprefix(EXIF_HEADER))
    try:
        order, start = _first_directory(block)
        found = _set_numbers(block, order, start, {ORIENTATION: 1})
        (count,) = struct.unpack_from(order + "H", block, start)
        end = start + 2 + 12 * count
        block[end : end + 4] = bytes(4)
    except (struct.error, ValueError):
        return None, 1
    orientation = found.get(ORIENTATION, 1)
    return EXIF_HEADER + bytes(block), orientation if 1 <= orientation <= 8 else 1


def sized_exif(exif: bytes, size_wh: tuple[int, int]) -> bytes:
    """An EXIF block with the sizes that it states, where it states any, set to those of the pixels.

    Args:
        exif: From `upright_exif`.
        size_wh: Width and height of the pixels.
    """
    width, height = size_wh
    sizes = {WIDTH: width, LENGTH: height, EXIF_WIDTH: width, EXIF_LENGTH: height}
    block = bytearray(exif.removeprefix(EXIF_HEADER))
    try:
        order, start = _first_directory(block)
        pointer = _set_numbers(block, order, start, sizes).get(EXIF_IFD)
        if pointer is not None:
            _set_numbers(block, order, pointer, sizes)
    except (struct.error, ValueError):
        return exif
    return EXIF_HEADER + bytes(block)


def _first_directory(block: bytearray) -> tuple[str, int]:
    """Byte order and place of the first directory.

    Raises:
        ValueError: It is no EXIF block.
        struct.error: It is cut off.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(block[:4]))
    if order is None:
        raise ValueError("no TIFF header")
    return order, struct.unpack_from(order + "I", block, 4)[0]


def _set_numbers(
    block: bytearray, order: str, start: int, values: Mapping[int, int]
) -> dict[int, int]:
    """Set single whole numbers of a directory, and return all that it has, as they were."""
    found: dict[int, int] = {}
    (count,) = struct.unpack_from(order + "H", block, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(order + "HHI", block, entry)
        code = {3: "H", 4: "I"}.get(kind, "H" if tag == ORIENTATION else "")
        if not code or (length > 1 and tag != ORIENTATION):
            continue
        (found[tag],) = struct.unpack_from(order + code, block, entry + 8)
        new = values.get(tag)
        if new is not None and not (code == "H" and new > 65535):
            struct.pack_into(order + code, block, entry + 8, new)
    return found


def load_exif(exif: bytes | None) -> PIL.Image.Exif:
    """An EXIF block as tags; empty where there is none."""
    tags = PIL.Image.Exif()
    if exif:
        tags.load(exif)
    return tags


def _other_images(pil_image: PIL.Image.Image) -> list[str]:
    """What else a file holds beside its photo, as far as Pillow sees it."""
    if pil_image.info.get("aux"):  # HEIC
        return ["HDR gain map"] if "gainmap" in str(pil_image.info["aux"]).lower() else []
    if pil_image.format == "MPO" and getattr(pil_image, "n_frames", 1) > 1:
        return ["second image (a preview, a gain map or another view)"]
    return []


def _read_iptc(pil_image: PIL.Image.Image) -> bytes | None:
    if pil_image.format == "TIFF":
        stored = getattr(pil_image, "tag_v2", {}).get(IPTC)
        return bytes(stored) if isinstance(stored, bytes) and stored else None
    return iptc_of_resources(pil_image.info.get("photoshop") or {})


def _read_comment(pil_image: PIL.Image.Image) -> bytes | None:
    comment = pil_image.info.get("comment") if pil_image.format in ("JPEG", "MPO") else None
    return comment if isinstance(comment, bytes) and comment else None


def _read_texts(pil_image: PIL.Image.Image) -> tuple[tuple[str, str], ...]:
    """Texts of a PNG file, without those that hold metadata of another kind."""
    texts = getattr(pil_image, "text", {}) if pil_image.format == "PNG" else {}
    return tuple(
        (str(key), str(text))
        for key, text in texts.items()
        if key != "XML:com.adobe.xmp" and not key.startswith("Raw profile type")
    )


def _read_exif(pil_image: PIL.Image.Image) -> tuple[bytes | None, int]:
    info = pil_image.info
    if pil_image.format == "TIFF":
        return exif_of_tiff(pil_image), 1  # Pillow has turned the pixels already
    stored = info.get("exif")
    if not stored and "Raw profile type exif" in info:  # how ImageMagick writes EXIF into PNG
        stored = pil_image.getexif().tobytes()
    if not stored:
        return None, 1
    exif, orientation = upright_exif(stored)
    if exif is None:
        logger.warning("the EXIF block is corrupt and is left out")
    return exif, orientation


def exif_of_tiff(pil_image: PIL.Image.Image) -> bytes | None:
    """An EXIF block from the tags of a TIFF file, without those that describe its storage."""
    stored = pil_image.getexif()
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


def _read_dpi(pil_image: PIL.Image.Image) -> tuple[float, float] | None:
    """The resolution; None where the file gives none or nonsense such as 0 or 1 dpi."""
    value: Any = pil_image.info.get("dpi")
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(v) and v > 1 for v in (x, y)) else None
