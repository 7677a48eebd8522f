"""Reads files, bytes, Pillow images and arrays; expands folders and patterns."""

from __future__ import annotations

import contextlib
import glob
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ..errors import ReadError
from ..types import Image, Pixels
from . import decoding
from .formats import READABLE, READABLE_SUFFIXES
from .loading import decode_file, decode_picture

logger = logging.getLogger("gpen")

Source = str | Path | bytes | BinaryIO | PIL.Image.Image | NDArray[Any]

#: How gpen names its own results: photo_gpen.jpg, photo_gpen_compare.jpg, photo_gpen_face00.png.
RESULT_NAME = re.compile(r"_gpen(_compare|_face\d+)?$")


def read_image(source: Source, *, max_pixels: int = 250_000_000) -> Image:
    """Read a photo, turned upright, with everything that should travel with it.

    Files of 16 bits stay 16-bit (PNG, TIFF); grey stays marked as grey; CMYK becomes sRGB. Of a
    camera's raw file the JPEG in it is read where it is of full size. Files with several images
    are refused; of a Pillow image the frame that it is at is read.

    Args:
        source: A path, the bytes of a file, an open binary file (read from its beginning), a
            Pillow image, or a uint8 or uint16 array: grey (h, w) or (h, w, 1), RGB (h, w, 3) or
            RGBA (h, w, 4).
        max_pixels: Larger photos are refused before their pixels are decoded.

    Raises:
        ReadError: The source is missing, unreadable, damaged, too large or not a photo.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    path = Path(source) if isinstance(source, str | Path) else None
    name = str(path) if path is not None else "the photo"
    try:
        if isinstance(source, PIL.Image.Image):
            return decode_picture(source, max_pixels)
        with _binary_file(source) as file:
            suffix = path.suffix.lower() if path is not None else ""
            return replace(decode_file(file, max_pixels, suffix), path=path)
    except ReadError as error:
        raise ReadError(f"cannot read {name}: {error}", path=path) from None
    except MemoryError:
        raise
    except OSError as error:
        raise ReadError(f"cannot read {name}: {_reason(error)}", path=path) from error
    except Exception as error:  # decoders raise anything on damaged data
        raise ReadError(f"cannot read {name}: it is damaged ({error})", path=path) from error


def find_images(
    inputs: Iterable[str | Path], *, recursive: bool = False
) -> tuple[list[Path], list[ReadError]]:
    """Expand files, folders and patterns to the photos they stand for.

    Folders and patterns give the files whose suffix gpen reads, in natural order (2 before 10).
    Hidden files and gpen's own results (`<stem>_gpen.*`) are left out of them, unless the pattern
    itself says "_gpen". Files named one by one are always taken.

    Args:
        inputs: Files, folders, or patterns such as `scans/*.jpg` (for shells that expand none).
        recursive: Folders with all their subfolders.

    Returns:
        The photos, each once, and one error for each input that gave none.
    """
    found: dict[Path, Path] = {}
    errors: list[ReadError] = []
    for item in inputs:
        try:
            for path in _expand(item, recursive=recursive):
                found.setdefault(path.resolve(), path)
        except ReadError as error:
            errors.append(error)
        except OSError as error:
            errors.append(ReadError(f"cannot read {item}: {_reason(error)}", path=item))
    return list(found.values()), errors


def _expand(item: str | Path, *, recursive: bool) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        found = path.rglob("*") if recursive else path.iterdir()
        photos = _photos(found, below=path)
        if not photos:
            hint = "" if recursive else "; --recursive looks into its subfolders too"
            raise ReadError(f"the folder {path} has no photos in it{hint}", path=path)
        return photos
    if path.exists() or not glob.has_magic(str(item)):
        if not path.exists():
            raise ReadError(f"cannot read {path}: there is no such file", path=path)
        return [path]
    # Path.glob refuses patterns of absolute paths.
    matches = (Path(match) for match in glob.iglob(str(item), recursive=True))  # noqa: PTH207
    photos = _photos(matches, keep_results="_gpen" in path.name)
    if not photos:
        raise ReadError(f"no photo matches the pattern {item}", path=path)
    return photos


def _photos(
    paths: Iterable[Path], *, below: Path | None = None, keep_results: bool = False
) -> list[Path]:
    photos = [
        path
        for path in paths
        if path.suffix.lower() in READABLE_SUFFIXES
        and not any(part.startswith(".") for part in _own_parts(path, below))
        and (keep_results or not RESULT_NAME.search(path.stem))
        and path.is_file()
    ]
    return sorted(photos, key=_natural_order)


def _own_parts(path: Path, below: Path | None) -> Sequence[str]:
    """The parts of a path that expanding has added."""
    return path.relative_to(below).parts if below is not None else path.parts[-1:]


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    """A sort key under which photo2 comes before photo10."""
    pieces = re.findall(r"([0-9]+)|([^0-9]+)", str(path).casefold())
    return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in pieces]


@contextlib.contextmanager
def _binary_file(source: str | Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """The source as a file that can be rewound."""
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            raise ReadError("it is a folder")
        with path.open("rb") as opened:
            yield opened if opened.seekable() else io.BytesIO(opened.read())
    elif isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif hasattr(source, "read"):
        yield source if source.seekable() else io.BytesIO(source.read())
    else:
        raise ReadError(
            f"it is a {type(source).__name__}; expected a path, bytes, an open binary file, "
            "a Pillow image or an array"
        )


def _from_array(array: NDArray[Any]) -> Image:
    if array.dtype not in (np.uint8, np.uint16):
        raise ReadError(
            f"the array holds {array.dtype}; expected uint8 (0 to 255) or uint16 (0 to 65535), "
            "for floats from 0 to 1: (array * 255).round().astype('uint8')"
        )
    depth = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    if depth not in (1, 3, 4) or array.size == 0:
        raise ReadError(
            f"the array has shape {array.shape}; expected (h, w) or (h, w, 1) for grey, "
            "(h, w, 3) for RGB, (h, w, 4) for RGBA"
        )
    samples = cast("Pixels", array.reshape(*array.shape[:2], depth))
    if depth == 1:
        return Image(decoding.repeat_gray(samples[..., 0]), is_gray=True)
    alpha = samples[..., 3].copy() if depth == 4 else None
    return Image(samples[..., :3].copy(), alpha)


def _reason(error: OSError) -> str:
    """What went wrong, in words that a person can act on."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PIL.UnidentifiedImageError):
        return "it is not a photo, or damaged; gpen reads " + ", ".join(READABLE)
    if error.strerror:
        return error.strerror.lower()
    return f"it is damaged ({error})"
