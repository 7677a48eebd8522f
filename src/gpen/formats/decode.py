"""Image files and Pillow pictures to `Image`: its kind, its pixels, what travels with them."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import PIL.Image

from ..errors import ReadError
from ..types import Image, Pixels
from . import channels
from .boxes import read_properties
from .channels import CONVERTED_MODES
from .encodings import Encoding, declared_encoding, to_srgb_curve
from .frames import refuse_several
from .metadata import ORIENTATION, exif_of_tiff, read_metadata
from .pillow import open_picture, pillow_at_ease
from .raw import RawFile, is_tiff, read_raw
from .scans import refuse_many_scans
from .strangers import refuse_strangers
from .ten_bits import decode_more_bits
from .tiff_layouts import read_float_tiff, read_planes

logger = logging.getLogger("gpen")

Channels = tuple[Pixels, Pixels | None, bool]


def decode_file(file: BinaryIO, max_pixels: int, suffix: str) -> Image:
    """Decode an image file.

    Args:
        file: Can be rewound.
        max_pixels: Larger images are refused before their pixels are decoded.
        suffix: The end of its name in lower case, such as ".jpg"; empty where it has none.

    Raises:
        ReadError: It is empty, no image that gpen reads, too large, or would come out as less.
        PIL.UnidentifiedImageError: It is no image at all.
        Exception: Whatever a decoder raises on damaged data.
    """
    file.seek(0)
    head = file.read(4)
    if not head:
        raise ReadError("it is empty (0 bytes)")
    file.seek(0)
    refuse_strangers(file)
    if is_tiff(head) and (raw := read_raw(data := _whole(file))) is not None:
        return _from_raw(data, raw, max_pixels)
    file.seek(0)
    try:
        picture = open_picture(file, suffix)
    except PIL.UnidentifiedImageError:
        if not is_tiff(head):
            raise
        return _from_unknown_tiff(_whole(file))
    check_size(picture, max_pixels)
    refuse_several(picture)
    if picture.info.get("progressive"):
        refuse_many_scans(file)
    if picture.format not in ("PNG", "AVIF", "HEIF"):
        return _assemble(picture, _decode(picture, file))
    encoding = declared_encoding(picture, _whole(file))
    return _assemble(picture, _decode(picture, file), encoding)


def decode_picture(picture: PIL.Image.Image, max_pixels: int) -> Image:
    """The frame that a Pillow picture is at.

    Raises:
        ReadError: It is too large.
    """
    check_size(picture, max_pixels)
    _load(picture)
    return _assemble(picture, channels.from_picture(picture))


def check_size(picture: PIL.Image.Image, max_pixels: int) -> None:
    """Refuse a picture of too many pixels.

    Raises:
        ReadError: Says how many there are.
    """
    width, height = picture.size
    if width * height > max_pixels:
        raise ReadError(
            f"it has {width} × {height} = {width * height} pixels, more than the limit of "
            f"{max_pixels}; if you trust it, raise the limit with --max-pixels (Python: max_pixels)"
        )


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _load(picture: PIL.Image.Image) -> None:
    """Decode the pixels, which fails on damaged files."""
    width, height = picture.size
    limit = PIL.Image.MAX_IMAGE_PIXELS
    # Some of Pillow's readers look at its limit once more here.
    is_large = limit is not None and width * height > limit
    with pillow_at_ease() if is_large else contextlib.nullcontext():
        picture.load()


def _decode(picture: PIL.Image.Image, file: BinaryIO) -> Channels:
    """The channels of an opened file, in all the bits that it has."""
    layout = channels.deep_layout(picture)
    has_planes = channels.has_deep_planes(picture)
    # Pillow turns TIFF files while it loads them, and then forgets that it did.
    turned = picture.getexif().get(ORIENTATION, 1) if picture.format == "TIFF" else 1
    _load(picture)
    if has_planes:
        samples = read_planes(_whole(file), turned)
        alpha = samples[..., 3] if samples.shape[2] > 3 else None
        return np.ascontiguousarray(samples[..., :3]), alpha, False
    if picture.format in ("AVIF", "HEIF"):
        return _decode_more_bits(picture, _whole(file)) or channels.from_picture(picture)
    if layout is None:
        return channels.from_picture(picture)
    decoded = channels.decode_deep_color(_whole(file), picture, layout, turned)
    if decoded is None:
        if picture.format == "PNG":  # which has one layout only
            raise ReadError("it is damaged (checksum)")
        logger.warning("a 16-bit file of unusual layout is read with 8 bits")
    return decoded or channels.from_picture(picture)


def _decode_more_bits(picture: PIL.Image.Image, data: bytes) -> Channels | None:
    bits = read_properties(data).bits
    if bits <= 8:
        return None
    decoded = decode_more_bits(data, picture, bits)
    if decoded is None:
        logger.warning("a file of %d bits per channel is read with 8", bits)
    return decoded


def _from_unknown_tiff(data: bytes) -> Image:
    """A TIFF file that Pillow does not know.

    Raises:
        ReadError: OpenCV does not know it either.
    """
    found = read_float_tiff(data)
    if found is None:
        raise ReadError("it is a TIFF file of a layout unknown to gpen: save it with 16 bits")
    pixels, metadata = found
    return Image(pixels, format="TIFF", metadata=metadata)


def _from_raw(data: bytes, raw: RawFile, max_pixels: int) -> Image:
    """The JPEG that a camera has put into its raw file, if that is the whole photo.

    Raises:
        ReadError: It holds only smaller previews, or none.
    """
    preview = raw.full_preview
    if preview is None:
        largest = ""
        if raw.previews:
            width, height = raw.previews[0].size_wh
            largest = f" (the largest has {width} × {height} pixels)"
        raise ReadError(
            f"it is a camera's raw file without a JPEG of full size{largest}: develop it first, "
            "with the camera's program, darktable or RawTherapee"
        )
    image = decode_file(io.BytesIO(data[preview.start :]), max_pixels, ".jpg")
    if image.metadata.exif is None:  # the orientation that counts is that of the raw file
        exif = _exif_of_raw(data)
        image = replace(
            image,
            pixels=channels.turn_upright(image.pixels, raw.orientation),
            metadata=replace(image.metadata, exif=exif),
        )
    note = "the camera's own JPEG inside the raw file was restored; the raw data were not developed"
    return replace(image, notes=(*image.notes, note))


def _exif_of_raw(data: bytes) -> bytes | None:
    try:
        with pillow_at_ease():
            return exif_of_tiff(PIL.Image.open(io.BytesIO(data), formats=["TIFF"]))
    except Exception:  # Pillow cannot read the file as TIFF, and the photo is the better part
        return None


def _assemble(
    picture: PIL.Image.Image,
    decoded: tuple[Pixels, Pixels | None, bool],
    encoding: Encoding | None = None,
) -> Image:
    """Pixels and metadata of a loaded picture, turned upright and with the tone curve of sRGB."""
    encoding = encoding or Encoding()
    with pillow_at_ease():
        metadata, orientation, left_out = read_metadata(picture)
    if picture.mode in CONVERTED_MODES:
        metadata = replace(metadata, icc_profile=None)
    pixels, alpha, is_gray = decoded
    notes = tuple(f"its {name} is not kept" for name in left_out)
    if encoding.profile is not None and not is_gray:
        metadata = replace(metadata, icc_profile=encoding.profile)
    if encoding.gamma is not None:
        pixels = to_srgb_curve(pixels, encoding.gamma)
        note = f"its tone curve (gamma {encoding.gamma:.3g}) was replaced by that of sRGB"
        notes = (*notes, note)
    return Image(
        channels.turn_upright(pixels, orientation),
        channels.turn_upright(alpha, orientation) if alpha is not None else None,
        is_gray,
        "JPEG" if picture.format == "MPO" else picture.format,
        metadata,
        notes=notes,
    )
