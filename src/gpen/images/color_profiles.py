"""Converts colour profiles to sRGB where pixels cannot stay in their own colour space."""

from __future__ import annotations

import io
import logging
from typing import cast

import PIL.Image
from PIL import ImageCms

logger = logging.getLogger("gpen")

PilImage = PIL.Image.Image


def color_space(profile: bytes | None) -> str | None:
    """The space a profile describes ("RGB", "GRAY", "CMYK", "Lab"), from its header."""
    return profile[16:20].decode("ascii", "replace").strip() if profile else None


def to_srgb(pil_image: PilImage, profile: bytes | None) -> PilImage:
    """The image in sRGB.

    Args:
        pil_image: Mode L, RGB, CMYK or LAB.
        profile: Its ICC profile. Without one, or where it does not fit, grey and RGB are taken
            as sRGB already, and CMYK is converted by Pillow's plain formula.

    Returns:
        An image of mode RGB.
    """
    if pil_image.mode == "LAB":
        return _convert(pil_image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile is not None:
        try:
            return _convert(pil_image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError) as error:
            logger.warning("the colour profile is not usable, colours may be off: %s", error)
    return pil_image.convert("RGB")


def _convert(pil_image: PilImage, source: ImageCms.ImageCmsProfile) -> PilImage:
    converted = ImageCms.profileToProfile(
        pil_image,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return cast("PilImage", converted)  # None only when converting in place
