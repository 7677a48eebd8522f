"""Colour profiles to sRGB, for pixels that cannot stay in their own colour space."""

from __future__ import annotations

import io
import logging
from typing import cast

import PIL.Image
from PIL import ImageCms

logger = logging.getLogger("gpen")

Picture = PIL.Image.Image


def color_space(profile: bytes | None) -> str | None:
    """The space a profile describes ("RGB", "GRAY", "CMYK", "Lab"), from its header."""
    return profile[16:20].decode("ascii", "replace").strip() if profile else None


def to_srgb(picture: Picture, profile: bytes | None) -> Picture:
    """The picture in sRGB.

    Args:
        picture: Mode L, RGB, CMYK or LAB.
        profile: Its ICC profile. Without one, or where it does not fit, grey and RGB are taken
            as sRGB already, and CMYK is converted by Pillow's plain formula.

    Returns:
        A picture of mode RGB.
    """
    if picture.mode == "LAB":
        return _convert(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile is not None:
        try:
            return _convert(picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError) as error:
            logger.warning("the colour profile is not usable, colours may be off: %s", error)
    return picture.convert("RGB")


def _convert(picture: Picture, source: ImageCms.ImageCmsProfile) -> Picture:
    converted = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return cast("Picture", converted)  # None only when converting in place
