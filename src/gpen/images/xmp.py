"""XMP packets, edited in place: what follows the pixels when they are turned, enlarged or alone.

Packets are edited as text and not rebuilt, so that everything else in them stays as it was.

Sources: Metadata Working Group, Guidelines 2.0, section 5.9 (face regions); Microsoft, People
Tagging Overview (MP regions); Adobe, Gain map 1.0; Android, Ultra HDR 1.1 and Motion photo 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_AREA = re.compile(rb"<[\w-]+:Area\b.*?(?:/>|</[\w-]+:Area>)", re.DOTALL)
_RECTANGLE = re.compile(rb"""(MPReg:Rectangle(?:=["']|>))([\d.,\s]+)""")
_NUMBER = rb"""((?:%s)(?:\s*=\s*["']|>))\s*(-?[\d.]+(?:e-?\d+)?)"""
_UPRIGHT = re.compile(rb'(tiff:Orientation(?:=["\']|>))[2-8]')

#: Properties that speak of another image or video in the same file, by what it is.
_PROMISES = {
    "HDR gain map": rb"hdrgm:\w+|HDRGainMap:\w+",
    "clip of a motion photo": rb"G?Camera:(?:MotionPhoto|MicroVideo)\w*",
    "extended XMP": rb"xmpNote:HasExtendedXMP",
}
_DIRECTORY = re.compile(rb"<(G?Container:Directory)\b.*?</\1>", re.DOTALL)
_MENTIONS = {"HDR gain map": b"GainMap", "clip of a motion photo": b"MotionPhoto"}

#: A point of the stored image in the upright one, by EXIF orientation; sides are 1 long.
_TURNS: dict[int, Callable[[float, float], tuple[float, float]]] = {
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}


def upright_xmp(xmp: bytes, orientation: int) -> bytes:
    """The packet beside pixels that were turned upright: orientation 1, face regions turned too.

    Args:
        xmp: The packet, beside the pixels as stored.
        orientation: By which the pixels were turned, 1 to 8.
    """
    # Pillow and others look at this one too; two outputs would turn the image twice.
    xmp = _UPRIGHT.sub(rb"\g<1>1", xmp)
    if orientation not in _TURNS:
        return xmp
    xmp = _AREA.sub(lambda found: _turned_area(found[0], orientation), xmp)
    return _RECTANGLE.sub(lambda found: found[1] + _turned_rectangle(found[2], orientation), xmp)


def _turned_area(area: bytes, orientation: int) -> bytes:
    """A region of the Metadata Working Group: centre and sides, as parts of the image's."""
    values = {}
    for name in ("x", "y", "w", "h"):
        found = re.search(_NUMBER % f"stArea:{name}".encode(), area)
        if found is None or b"pixel" in area:
            return area
        values[name] = float(found[2])
    x, y = _TURNS[orientation](values["x"], values["y"])
    sides = (values["w"], values["h"]) if orientation < 5 else (values["h"], values["w"])
    for name, value in zip(("x", "y", "w", "h"), (x, y, *sides), strict=True):
        area = _with_number(area, f"stArea:{name}", f"{value:.6g}")
    return area


def _turned_rectangle(numbers: bytes, orientation: int) -> bytes:
    """A region of Microsoft: top left corner and sides, as parts of the image's."""
    try:
        x, y, width, height = (float(part) for part in numbers.split(b","))
    except ValueError:
        return numbers
    x, y = _TURNS[orientation](x + width / 2, y + height / 2)
    if orientation >= 5:
        width, height = height, width
    values = (x - width / 2, y - height / 2, width, height)
    return ", ".join(f"{value:.6g}" for value in values).encode()


def sized_xmp(xmp: bytes, size_wh: tuple[int, int]) -> bytes:
    """The packet with the sizes that it states, where it states any, set to those of the pixels."""
    width, height = (str(side) for side in size_wh)
    xmp = _with_number(xmp, "tiff:ImageWidth|exif:PixelXDimension|stDim:w", width)
    return _with_number(xmp, "tiff:ImageLength|exif:PixelYDimension|stDim:h", height)


def _with_number(text: bytes, names: str, value: str) -> bytes:
    pattern = _NUMBER % names.encode()
    return re.sub(pattern, lambda found: found[1] + value.encode(), text)


def without_promises(xmp: bytes) -> tuple[bytes, list[str]]:
    """The packet without what it says of other images and videos in the file: they go.

    Returns:
        The packet, and the names of what it spoke of.
    """
    patterns = {name: rb"\b(?:%s)[\s=>/]" % names for name, names in _PROMISES.items()}
    found = [name for name, pattern in patterns.items() if re.search(pattern, xmp)]
    for directory in _DIRECTORY.finditer(xmp):
        found += [name for name, mark in _MENTIONS.items() if mark in directory[0]]
    for names in _PROMISES.values():
        xmp = re.sub(rb"""\s(?:%s)\s*=\s*(?:"[^"]*"|'[^']*')""" % names, b"", xmp)
        xmp = re.sub(rb"<(%s)(?:\s[^>]*)?(?:/>|>.*?</\1>)" % names, b"", xmp, flags=re.DOTALL)
    return _DIRECTORY.sub(b"", xmp), list(dict.fromkeys(found))
