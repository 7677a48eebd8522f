"""Image files and Pillow images to `Image`: its kind, its pixels, what travels with them."""

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
from . import decoding
from .camera_raw import RawFile, is_tiff, read_raw
from .color_numbers import Encoding, declared_encoding, to_srgb_curve
from .decoding import CONVERTED_MODES
from .foreign_files import refuse_strangers
from .heif_boxes import read_properties
from .jpeg_scans import refuse_many_scans
from .metadata import ORIENTATION, exif_of_tiff, read_metadata
from .multiple_images import refuse_several
from .pillow import lenient_pillow, open_pil_image
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
        pil_image = open_pil_image(file, suffix)
    except PIL.UnidentifiedImageError:
        if not is_tiff(head):
            raise
        return _from_unknown_tiff(_whole(file))
    check_size(pil_image, max_pixels)
    refuse_several(pil_image)
    if pil_image.info.get("progressive"):
        refuse_many_scans(file)
    if pil_image.format not in ("PNG", "AVIF", "HEIF"):
        return _assemble(pil_image, _decode(pil_image, file))
    encoding = declared_encoding(pil_image, _whole(file))
    return _assemble(pil_image, _decode(pil_image, file), encoding)


def decode_picture(pil_image: PIL.Image.Image, max_pixels: int) -> Image:
    """The frame that a Pillow image is at.

    Raises:
        ReadError: It is too large.
    """
    check_size(pil_image, max_pixels)
    _load(pil_image)
    return _assemble(pil_image, decoding.from_pil(pil_image))


def check_size(pil_image: PIL.Image.Image, max_pixels: int) -> None:
    """Refuse an image of too many pixels.

    Raises:
        ReadError: Says how many there are.
    """
    width, height = pil_image.size
    if width * height > max_pixels:
        raise ReadError(
            f"it has {width} × {height} = {width * height} pixels, more than the limit of "
            f"{max_pixels}; if you trust it, raise the limit with --max-pixels (Python: max_pixels)"
        )


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _load(pil_image: PIL.Image.Image) -> None:
    """Decode the pixels, which fails on damaged files."""
    width, height = pil_image.size
    limit = PIL.Image.MAX_IMAGE_PIXELS
    # Some of Pillow's readers look at its limit once more here.
    is_large = limit is not None and width * height > limit
    with lenient_pillow() if is_large else contextlib.nullcontext():
        pil_image.load()


def _decode(pil_image: PIL.Image.Image, file: BinaryIO) -> Channels:
    """The channels of an opened file, in all the bits that it has."""
    layout = decoding.deep_layout(pil_image)
    has_planes = decoding.has_deep_planes(pil_image)
    # Pillow turns TIFF files while it loads them, and then forgets that it did.
    turned = pil_image.getexif().get(ORIENTATION, 1) if pil_image.format == "TIFF" else 1
    _load(pil_image)
    if has_planes:
        samples = read_planes(_whole(file), turned)
        alpha = samples[..., 3] if samples.shape[2] > 3 else None
        return np.ascontiguousarray(samples[..., :3]), alpha, False
    if pil_image.format in ("AVIF", "HEIF"):
        return _decode_more_bits(pil_image, _whole(file)) or decoding.from_pil(pil_image)
    if layout is None:
        return decoding.from_pil(pil_image)
    decoded = decoding.decode_deep_color(_whole(file), pil_image, layout, turned)
    if decoded is None:
        if pil_image.format == "PNG":  # which has one layout only
            raise ReadError("it is damaged (checksum)")
        logger.warning("a 16-bit file of unusual layout is read with 8 bits")
    return decoded or decoding.from_pil(pil_image)


def _decode_more_bits(pil_image: PIL.Image.Image, data: bytes) -> Channels | None:
    bits = read_properties(data).bits
    if bits <= 8:
        return None
    decoded = decode_more_bits(data, pil_image, bits)
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
            pixels=decoding.turn_upright(image.pixels, raw.orientation),
            metadata=replace(image.metadata, exif=exif),
        )
    note = "the camera's own JPEG inside the raw file was restored; the raw data were not developed"
    return replace(image, notes=(*image.notes, note))


def _exif_of_raw(data: bytes) -> bytes | None:
    try:
        with lenient_pillow():
            return exif_of_tiff(PIL.Image.open(io.BytesIO(data), formats=["TIFF"]))
    except Exception:  # Pillow cannot read the file as TIFF, and the photo is the better part
        return None


def _assemble(
    pil_image: PIL.Image.Image,
    decoded: tuple[Pixels, Pixels | None, bool],
    encoding: Encoding | None = None,
) -> Image:
    """Pixels and metadata of a loaded image, turned upright and with the tone curve of sRGB."""
    encoding = encoding or Encoding()
    with lenient_pillow():
        metadata, orientation, left_out = read_metadata(pil_image)
    if pil_image.mode in CONVERTED_MODES:
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
        decoding.turn_upright(pixels, orientation),
        decoding.turn_upright(alpha, orientation) if alpha is not None else None,
        is_gray,
        "JPEG" if pil_image.format == "MPO" else pil_image.format,
        metadata,
        notes=notes,
    )
