"""Files that gpen does not read as they are, known by their first bytes, with what to do."""

from __future__ import annotations

import importlib.util
from typing import BinaryIO

from ..errors import ReadError

_HEAD_BYTES = 512
_DEVELOP = "develop it first, with the camera's program, darktable or RawTherapee"
#: First bytes from an offset on, what the file is, and what to do.
_STRANGERS: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"ftypcrx ", "a raw file of a Canon camera (CR3)", _DEVELOP),
    (0, b"FUJIFILMCCD-RAW", "a raw file of a Fujifilm camera (RAF)", _DEVELOP),
    (0, b"IIRO", "a raw file of an Olympus camera (ORF)", _DEVELOP),
    (0, b"IIRS", "a raw file of an Olympus camera (ORF)", _DEVELOP),
    (0, b"MMOR", "a raw file of an Olympus camera (ORF)", _DEVELOP),
    (0, b"IIU\0", "a raw file of a Panasonic camera (RW2)", _DEVELOP),
    (0, b"FOVb", "a raw file of a Sigma camera (X3F)", _DEVELOP),
    (0, b"\0MRM", "a raw file of a Minolta camera (MRW)", _DEVELOP),
    (0, b"v/1\x01", "an OpenEXR image", "save it as a TIFF of 16 bits"),
    (0, b"#?RADIANCE", "a Radiance HDR image", "save it as a TIFF of 16 bits"),
    (0, b"#?RGBE", "a Radiance HDR image", "save it as a TIFF of 16 bits"),
    (0, b"%PDF", "a PDF document", "save its pages as images, with pdfimages for example"),
    (4, b"ftypqt  ", "a video", "its name has to end like one, such as .mov"),
    (4, b"ftypisom", "a video", "its name has to end like one, such as .mp4"),
    (4, b"ftypmp4", "a video", "its name has to end like one, such as .mp4"),
    (0, b"\x1aE\xdf\xa3", "a video", "its name has to end like one, such as .mkv or .webm"),
    (0, b"gimp xcf", "a GIMP image", "export it as PNG or TIFF"),
)
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_PSD, _PSD_DEPTH = b"8BPS", slice(22, 24)


def refuse_strangers(file: BinaryIO) -> None:
    """Refuse a file of a kind that gpen does not read, by its name and with what to do.

    Raises:
        ReadError: It is one; the file is at its beginning otherwise.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    for start, mark, what, todo in _STRANGERS:
        if head.startswith(mark, start):
            raise ReadError(f"it is {what}: {todo}")
    if head.startswith(_JPEG_XL) and importlib.util.find_spec("pillow_jxl") is None:
        raise ReadError("it is a JPEG XL image: pip install 'gpen[formats]', or save it as PNG")
    if head.startswith(_PSD) and head[_PSD_DEPTH] not in (b"\0\x01", b"\0\x08"):
        raise ReadError("it is a Photoshop file of more than 8 bits: save it as TIFF")
