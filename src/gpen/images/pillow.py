"""Pillow without its process-wide limits and warnings."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import PIL.Image

from .formats import READABLE, TARGA_SUFFIXES

_TARGA_END = b"TRUEVISION-XFILE.\0"
#: What Pillow's own test of the beginning of a file is given.
_HEAD_BYTES = 16
_lock = threading.RLock()


@contextlib.contextmanager
def lenient_pillow() -> Iterator[None]:
    """Lift Pillow's own size limit and keep its warnings on slightly odd files to itself.

    Both are state of the process, so that one thread at a time may do this: keep it short.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = limit


def open_pil_image(file: BinaryIO, suffix: str = "") -> PIL.Image.Image:
    """The header of a file in one of the formats that gpen reads; pixels are decoded on load.

    Args:
        file: The file.
        suffix: The end of its name, ".jpg". Targa files have no mark of their own at their
            beginning, so that almost anything could be one: they are known by this, or by the mark
            at the end that newer ones have.

    Raises:
        PIL.UnidentifiedImageError: The file is of no such format, or too damaged to tell.
        Exception: Whatever a decoder raises on a damaged header.
    """
    register_formats()
    known = [name for name in READABLE if name in PIL.Image.OPEN]
    if suffix in TARGA_SUFFIXES or _ends_like_targa(file):
        known.append("TGA")
    with lenient_pillow():
        return PIL.Image.open(file, formats=known)


def format_of_head(file: BinaryIO) -> str | None:
    """Pillow's name of the readable format that a file begins like, or ends like (Targa).

    Nothing is parsed: what begins like a photo need not be one.
    """
    register_formats()
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    for name in READABLE:
        accept = PIL.Image.OPEN.get(name, (None, None))[1]
        if accept is not None and accept(head):
            return name
    return "TGA" if _ends_like_targa(file) else None


def _ends_like_targa(file: BinaryIO) -> bool:
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - len(_TARGA_END)))
    end = file.read()
    file.seek(0)
    return end == _TARGA_END


@functools.cache
def register_formats() -> None:
    """Make Pillow know all formats that gpen reads and writes: HEIC, and JPEG XL if installed."""
    import pillow_heif

    with contextlib.suppress(ImportError):  # of the extra `formats`
        import pillow_jxl  # noqa: F401 - registers itself

    PIL.Image.init()
    pillow_heif.register_heif_opener()
