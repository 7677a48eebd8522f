"""Raw files of cameras: whether a file is one, and the JPEG that the camera has put into it.

DNG, NEF, CR2, ARW, PEF and others are TIFF files. What a reader of TIFF takes for the image is
often a preview of 160 × 120 pixels; the photo itself has to be developed. Many cameras store
beside it what they would have saved as JPEG, at full size.

Formats: TIFF Revision 6.0, Adobe 1992; Digital Negative (DNG) 1.7, Adobe 2023; ITU-T T.81, 1992
(JPEG).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_SUBFILE_TYPE, _WIDTH, _LENGTH, _PHOTOMETRIC, _ORIENTATION = 254, 256, 257, 262, 274
_SUB_IFDS, _EXIF_IFD, _DNG_VERSION, _EXIF_WIDTH, _EXIF_LENGTH = 330, 0x8769, 50706, 40962, 40963
#: What colours a sensor's samples have: a filter array, or each pixel's own, undeveloped.
_SENSOR = (32803, 34892)
_REDUCED = 1
#: Tags with whole numbers: type to code and bytes.
_INTEGERS = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 13: ("I", 4)}
_MAX_DIRECTORIES, _MAX_VALUES = 64, 64
#: A preview has the size of the photo if no side is shorter than this part of the sensor's.
_FULL_SIZE = 0.9

_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what a JPEG decoder shows
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)


@dataclass(frozen=True, slots=True)
class Preview:
    """A JPEG image inside a file.

    Attributes:
        start: Where it begins, in bytes.
        size_wh: Width and height.
    """

    start: int
    size_wh: tuple[int, int]


@dataclass(slots=True)
class RawFile:
    """What a raw file says of itself.

    Attributes:
        size_wh: Width and height of the photo, longer side first; None where it does not say.
        orientation: As in EXIF, 1 to 8.
        previews: JPEG images in it, largest first.
    """

    size_wh: tuple[int, int] | None
    orientation: int
    previews: list[Preview] = field(default_factory=list)

    @property
    def full_preview(self) -> Preview | None:
        """The JPEG that the camera would have saved, or None where there is none of full size."""
        if self.size_wh is None or not self.previews:
            return None
        found = sorted(self.previews[0].size_wh, reverse=True)
        is_full = all(a >= _FULL_SIZE * b for a, b in zip(found, self.size_wh, strict=True))
        return self.previews[0] if is_full else None


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins like this is laid out as TIFF."""
    return head[:4] in (b"II*\0", b"MM\0*")


def read_raw(data: bytes) -> RawFile | None:
    """What a TIFF file says of itself if it is a camera's raw file, else None.

    A file is one if it holds a sensor's samples, calls itself DNG or CR2, or says that its first
    image is only a smaller version of another.
    """
    directories = list(_directories(data))
    if not directories:
        return None
    first = directories[0]
    sensor = [one for one in directories if set(one.get(_PHOTOMETRIC, ())) & set(_SENSOR)]
    is_preview_first = bool(first.get(_SUBFILE_TYPE, (0,))[0] & _REDUCED)
    if not (sensor or is_preview_first or _DNG_VERSION in first or data[8:10] == b"CR"):
        return None
    sizes = [_size(one, _WIDTH, _LENGTH) for one in sensor]
    sizes += [_size(one, _EXIF_WIDTH, _EXIF_LENGTH) for one in directories]
    largest = max((size for size in sizes if size is not None), default=None)
    orientation = first.get(_ORIENTATION, (1,))[0]
    previews = sorted(_previews(data), key=lambda one: one.size_wh[0] * one.size_wh[1])
    return RawFile(largest, orientation if 1 <= orientation <= 8 else 1, previews[::-1])


def _size(directory: dict[int, tuple[int, ...]], width: int, length: int) -> tuple[int, int] | None:
    """Longer and shorter side."""
    if not (directory.get(width) and directory.get(length)):
        return None
    sides = sorted((directory[width][0], directory[length][0]), reverse=True)
    return sides[0], sides[1]


def _directories(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """All directories of a TIFF file, each with its whole numbers; a cycle is walked once."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        waiting = [struct.unpack_from(order + "I", data, 4)[0]]
    except struct.error:
        return
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        start = waiting.pop(0)
        if start in seen or not 8 <= start < len(data):
            continue
        seen.add(start)
        try:
            tags, following = _directory(data, start, order)
        except struct.error:  # cut off
            continue
        yield tags
        waiting += [following, *tags.get(_SUB_IFDS, ()), *tags.get(_EXIF_IFD, ())]


def _directory(data: bytes, start: int, order: str) -> tuple[dict[int, tuple[int, ...]], int]:
    """The whole numbers of a directory by tag, and where the next directory is."""
    (count,) = struct.unpack_from(order + "H", data, start)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(order + "HHI", data, entry)
        if kind not in _INTEGERS or not length:
            continue
        code, size = _INTEGERS[kind]
        length = min(length, _MAX_VALUES)
        place = entry + 8
        if length * size > 4:
            (place,) = struct.unpack_from(order + "I", data, place)
        tags[tag] = struct.unpack_from(f"{order}{length}{code}", data, place)
    (following,) = struct.unpack_from(order + "I", data, start + 2 + 12 * count)
    return tags, following


def _previews(data: bytes) -> Iterator[Preview]:
    """Every JPEG image in a file that a decoder would show, wherever it lies."""
    start = data.find(b"\xff\xd8\xff")
    while start >= 0:
        if size := jpeg_size(data, start):
            yield Preview(start, size)
        start = data.find(b"\xff\xd8\xff", start + 3)


def jpeg_size(data: bytes, start: int = 0) -> tuple[int, int] | None:
    """Width and height of the JPEG image at a place; None where there is none, or one of samples.

    Sensors' samples are often stored as lossless JPEG, which is no image.
    """
    place = start + 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        kind = data[place + 1]
        if kind in _FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, place + 4)
            return (width, height) if bits == 8 and channels in (1, 3) and width * height else None
        if kind in _OTHER_FRAMES or kind == 0xDA or kind < 0xC0:
            return None
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return None
