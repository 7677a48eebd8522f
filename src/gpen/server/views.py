"""Parts of photos as images that any browser shows, at full resolution or shrunk."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import NamedTuple

import PIL.Image

from ..errors import SettingsError
from ..images import transforms
from ..images.color_profiles import to_srgb
from ..images.tones import to_8bit
from ..types import Image, Pixels

#: Longest side of a view.
MOST_PX = 4096
_JPEG_QUALITY = 90


class View(NamedTuple):
    """A part of a photo.

    Attributes:
        box_xyxy: In pixels of the source; the right and lower edges are excluded.
        size_wh: Largest size of the image made of it.
    """

    box_xyxy: tuple[float, float, float, float]
    size_wh: tuple[int, int]


def view_of(values: dict[str, str], source_wh: tuple[int, int]) -> View:
    """The view that a request asks for; without `box` the whole photo.

    Raises:
        SettingsError: It means none.
    """
    number = r"\d{1,6}(?:\.\d{1,4})?"
    box = values.get("box", f"0,0,{source_wh[0]},{source_wh[1]}")
    size = values.get("size", "2048x2048")
    if not re.fullmatch(rf"{number}(,{number}){{3}}", box, re.ASCII):
        raise SettingsError(f"box is {box[:40]!r}; expected four numbers as 0,0,640,480")
    if not re.fullmatch(r"\d{1,4}x\d{1,4}", size, re.ASCII):
        raise SettingsError(f"size is {size[:40]!r}; expected width x height as 640x480")
    x0, y0, x1, y1 = map(float, box.split(","))
    width, height = (min(MOST_PX, max(1, int(side))) for side in size.split("x"))
    box_xyxy = x0, y0, min(x1, source_wh[0]), min(y1, source_wh[1])
    if box_xyxy[0] >= box_xyxy[2] or box_xyxy[1] >= box_xyxy[3]:
        raise SettingsError(f"box is {box}, which is empty in {source_wh[0]} × {source_wh[1]}")
    return View(box_xyxy, (width, height))


class Area(NamedTuple):
    """What a view is of a photo with its own number of pixels.

    Attributes:
        rows, columns: Of the photo's pixels.
        size_wh: Of the image made of them, never larger than they are.
    """

    rows: slice
    columns: slice
    size_wh: tuple[int, int]


def area_of(view: View, photo_wh: tuple[int, int], source_wh: tuple[int, int]) -> Area:
    """The area of a photo, which may be enlarged, for a view in pixels of its source."""
    factor = photo_wh[0] / source_wh[0]
    left, top, right, bottom = (round(edge * factor) for edge in view.box_xyxy)
    width, height = max(1, right - left), max(1, bottom - top)
    shrink = min(1.0, view.size_wh[0] / width, view.size_wh[1] / height)
    size_wh = max(1, round(width * shrink)), max(1, round(height * shrink))
    return Area(slice(top, top + height), slice(left, left + width), size_wh)


def cut(pixels: Pixels, area: Area) -> Pixels:
    """An area at its size; any number of channels, or none."""
    return transforms.resize(pixels[area.rows, area.columns], area.size_wh)


def cut_photo(photo: Image, area: Area) -> Image:
    """The same of a photo with its alpha."""
    alpha = None if photo.alpha is None else cut(photo.alpha, area)
    return replace(photo, pixels=cut(photo.pixels, area), alpha=alpha)


def encode(photo: Image) -> tuple[bytes, str]:
    """A file in sRGB that any browser shows, and its media type."""
    small = replace(photo, pixels=to_8bit(photo.pixels), alpha=None).to_pil()
    shown = to_srgb(small, photo.metadata.icc_profile)
    file = io.BytesIO()
    if photo.alpha is not None:
        shown.putalpha(PIL.Image.fromarray(to_8bit(photo.alpha)))
        shown.save(file, "WEBP", quality=_JPEG_QUALITY, method=0)
        return file.getvalue(), "image/webp"
    shown.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue(), "image/jpeg"
