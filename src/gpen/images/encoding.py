"""Encodes an `Image` to the bytes of a file, keeping what the format can hold."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from ..errors import WriteError
from ..types import Image, Metadata
from .color_profiles import color_space, to_srgb
from .formats import AVIF, HEIF, JPEG, PNG, TIFF, WRITABLE, FileFormat
from .jpeg_segments import with_iptc
from .metadata import sized_exif
from .pillow import lenient_pillow, register_formats
from .png16 import encode_png16, text_chunks, xmp_text
from .ten_bits import can_encode_avif, encode_avif, encode_heif
from .tiff import encode_tiff
from .xmp import sized_xmp

logger = logging.getLogger("gpen")

#: Quality at which the loss does not show.
DEFAULT_QUALITY = {"JPEG": 95, "WEBP": 95, "AVIF": 90, "HEIF": 80}
#: Further encoder options. The choices of speed are three to seven times as fast as the
#: encoders' own and cost at most 5 % of size, measured on images of 3 and 4 megapixels.
ENCODER_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"subsampling": "4:4:4"},
    "PNG": {"compress_level": 4},
    "WEBP": {"exact": True},  # colours under transparent pixels stay
    "AVIF": {"speed": 8},
    "HEIF": {"enc_params": {"preset": "ultrafast"}},
}
#: What one block of a JPEG file can hold, less the longest header.
JPEG_BLOCK_BYTES = 65_000


def encode(image: Image, kind: FileFormat, *, quality: int | None, strip: bool) -> bytes:
    """The image as the bytes of a file of that kind; see `gpen.images.write.encode_image`.

    Raises:
        WriteError: The format cannot hold the image's transparency or size.
    """
    metadata = _stripped(image.metadata) if strip else _sized(image.metadata, image.size_wh)
    _warn_of_losses(metadata, kind)
    samples, metadata = _samples_for(kind, image, metadata)
    if kind is TIFF:
        with lenient_pillow():
            return encode_tiff(samples, metadata)
    if kind is PNG and samples.dtype == np.uint16:
        return encode_png16(samples.astype(np.uint16, copy=False), metadata)
    # AVIF and HEIF parse the EXIF block and warn about what they find odd in it.
    guard = lenient_pillow() if kind in (AVIF, HEIF) else contextlib.nullcontext()
    try:
        with guard:
            if samples.dtype == np.uint16:
                return _encode_10bit(samples, kind, quality, metadata)
            return _encode_with_pillow(samples, kind, quality, metadata)
    except (OSError, ValueError, RuntimeError) as error:
        width, height = image.size_wh
        raise WriteError(
            f"{width} × {height} pixels cannot be stored as {kind.name} ({error}); "
            "choose png or tif"
        ) from error


def _stripped(metadata: Metadata) -> Metadata:
    """Only what shows in the image: the colour profile and the resolution."""
    return Metadata(icc_profile=metadata.icc_profile, dpi=metadata.dpi)


def _sized(metadata: Metadata, size_wh: tuple[int, int]) -> Metadata:
    """Metadata with the sizes of the pixels, which may have been turned or enlarged."""
    exif, xmp = metadata.exif, metadata.xmp
    return replace(
        metadata,
        exif=sized_exif(exif, size_wh) if exif else None,
        xmp=sized_xmp(xmp, size_wh) if xmp else None,
    )


def _warn_of_losses(metadata: Metadata, kind: FileFormat) -> None:
    """Say what a format cannot hold."""
    lost = []
    if metadata.iptc and kind not in (JPEG, TIFF):
        lost.append("IPTC records")
    if metadata.comment and kind not in (JPEG, PNG):
        lost.append("comment")
    if metadata.texts and kind is not PNG:
        names = ", ".join(keyword for keyword, _ in metadata.texts)
        lost.append(f"texts ({names})")
    if lost:
        logger.warning("%s cannot hold the file's %s", kind.name, " and ".join(lost))


def _encode_with_pillow(
    samples: NDArray[np.uint8], kind: FileFormat, quality: int | None, metadata: Metadata
) -> bytes:
    pil_image = _as_pil_image(samples, kind)
    options = _save_options(kind, pil_image, quality, metadata)
    register_formats()
    file = io.BytesIO()
    pil_image.save(file, kind.name, **options)
    data = file.getvalue()
    return with_iptc(data, metadata.iptc) if kind is JPEG and metadata.iptc else data


def _encode_10bit(
    samples: NDArray[np.uint16], kind: FileFormat, quality: int | None, metadata: Metadata
) -> bytes:
    wanted = quality or DEFAULT_QUALITY[kind.name]
    if kind is AVIF:
        return encode_avif(samples, metadata, wanted)
    options = {**ENCODER_OPTIONS["HEIF"], "quality": wanted, "subsampling": "4:4:4"}
    return encode_heif(samples, metadata, options)


def _samples_for(
    kind: FileFormat, image: Image, metadata: Metadata
) -> tuple[NDArray[Any], Metadata]:
    """Samples as the format stores them, (height, width, channels), and metadata it can hold."""
    alpha = image.alpha
    if alpha is not None and not kind.has_alpha:
        if alpha.min() < np.iinfo(alpha.dtype).max:
            names = ", ".join(other.suffixes[0][1:] for other in WRITABLE if other.has_alpha)
            raise WriteError(f"{kind.name} cannot hold the photo's transparency; choose {names}")
        alpha = None
    is_deep = image.pixels.dtype == np.uint16
    is_gray = image.is_gray and kind.has_gray
    if alpha is not None:
        # Pillow, and so many a program, cannot open 16-bit grey with alpha in TIFF.
        is_gray = is_gray and kind.has_gray_alpha and not (kind is TIFF and is_deep)
    color: NDArray[Any] = image.pixels[..., :1] if is_gray else image.pixels
    profile = metadata.icc_profile
    profile_fits = kind.has_profile and (is_gray or color_space(profile) != "GRAY")
    can_be_deep = kind.has_16bit and profile_fits
    if kind in (AVIF, HEIF):
        can_be_deep = can_be_deep and not is_gray and (kind is HEIF or can_encode_avif())
    if is_deep and not can_be_deep:
        logger.info("16 bits per channel are rounded to 8 for %s", kind.name)
        color, alpha = _as_8bit(color), _as_8bit(alpha) if alpha is not None else None
    if profile is not None and not profile_fits:
        color = _apply_profile(color, profile, is_gray=image.is_gray)
        metadata = replace(metadata, icc_profile=None)
    samples = color if alpha is None else np.concatenate([color, alpha[..., None]], axis=2)
    return np.ascontiguousarray(samples), metadata


def _as_pil_image(samples: NDArray[np.uint8], kind: FileFormat) -> PIL.Image.Image:
    """Samples as Pillow's image."""
    import cv2

    if samples.shape[2] == 1:
        return PIL.Image.fromarray(samples[..., 0])
    if kind is not JPEG:
        return PIL.Image.fromarray(samples)
    # Pillow has four bytes to a pixel. It takes them as they are from an array that has them too,
    # which saves a slow copy, a third of the time of writing; its JPEG writer skips the fourth.
    height, width = samples.shape[:2]
    padded = cv2.cvtColor(samples, cv2.COLOR_RGB2RGBA)
    return PIL.Image.frombuffer("RGBX", (width, height), padded, "raw", "RGBX", 0, 1)


def _as_8bit(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """0 to 65535 as 0 to 255, rounded to nearest."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _apply_profile(color: NDArray[np.uint8], profile: bytes, *, is_gray: bool) -> NDArray[np.uint8]:
    """The colours in sRGB, with as many channels as before."""
    pil_image = PIL.Image.fromarray(np.ascontiguousarray(color[..., 0] if is_gray else color))
    return np.asarray(to_srgb(pil_image, profile))[..., : color.shape[2]]


def _save_options(
    kind: FileFormat, pil_image: PIL.Image.Image, quality: int | None, metadata: Metadata
) -> dict[str, Any]:
    """Options for Pillow's writer of the format."""
    options = dict(ENCODER_OPTIONS.get(kind.name, {}))
    if kind.name in DEFAULT_QUALITY:
        options["quality"] = quality or DEFAULT_QUALITY[kind.name]
    if metadata.icc_profile:
        options["icc_profile"] = metadata.icc_profile
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    for name in ("exif", "xmp"):
        block: bytes | None = getattr(metadata, name)
        if block and kind is JPEG and len(block) > JPEG_BLOCK_BYTES:
            logger.warning("the %s block is too long for JPEG and is left out", name.upper())
        elif block:
            options[name] = block
    if kind is JPEG and metadata.comment:
        options["comment"] = metadata.comment[:JPEG_BLOCK_BYTES]
    if kind is PNG:
        options["pnginfo"] = PngInfo()
        if "xmp" in options:
            options["pnginfo"].add(b"iTXt", xmp_text(options.pop("xmp")))
        for chunk, data in text_chunks(metadata):
            options["pnginfo"].add(chunk, data)
    if kind in (AVIF, HEIF) and pil_image.mode != "L":
        options["subsampling"] = "4:4:4"
    return options
