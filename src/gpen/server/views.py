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
from ..types import Image

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


def render(photo: Image, view: View, source_wh: tuple[int, int]) -> tuple[bytes, str]:
    """The file of a view and its media type: sRGB, never larger than the photo's own pixels.

    Args:
        photo: The photo, or an enlarged one.
        view: Which part of it.
        source_wh: Size that the view's box is in pixels of.
    """
    factor = photo.size_wh[0] / source_wh[0]
    left, top, right, bottom = (round(edge * factor) for edge in view.box_xyxy)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    rows, columns = slice(top, bottom), slice(left, right)
    pixels = photo.pixels[rows, columns]
    alpha = None if photo.alpha is None else photo.alpha[rows, columns]
    shrink = min(1.0, view.size_wh[0] / (right - left), view.size_wh[1] / (bottom - top))
    if shrink < 1:
        size_wh = max(1, round((right - left) * shrink)), max(1, round((bottom - top) * shrink))
        pixels = transforms.resize(pixels, size_wh)
        alpha = None if alpha is None else transforms.resize(alpha, size_wh)
    small = replace(photo, pixels=to_8bit(pixels), alpha=None).to_pil()
    shown = to_srgb(small, photo.metadata.icc_profile)
    file = io.BytesIO()
    if alpha is not None:
        shown.putalpha(PIL.Image.fromarray(to_8bit(alpha)))
        shown.save(file, "WEBP", quality=_JPEG_QUALITY, method=0)
        return file.getvalue(), "image/webp"
    shown.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue(), "image/jpeg"
