"""Writes an `Image` to bytes and files; names output paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..errors import OutputExistsError, SettingsError, WriteError
from ..files import free_path, write_bytes
from ..types import Image
from .encoding import encode
from .formats import PNG, WRITABLE_NAMES, FileFormat, find_format


def encode_image(
    image: Image, *, format: str | None = None, quality: int | None = None, strip: bool = False
) -> bytes:
    """The photo as the bytes of a file.

    16 bits are kept by PNG and TIFF and rounded to 8 by the others. A colour profile that the
    format cannot hold (BMP; grey profiles where grey is stored as RGB) is applied instead.

    Args:
        image: What to write.
        format: A suffix such as "jpg"; without one the format that the photo was read from, or
            PNG where that cannot be written (GIF) or there was none.
        quality: 1-100 for formats with loss; None chooses one at which no loss is seen.
        strip: Leave EXIF and XMP out. The colour profile and the resolution stay.

    Raises:
        WriteError: The format is unknown, or cannot hold the photo's transparency or size.
    """
    kind = _format_named(format) if format is not None else find_format(image.format or "")
    return encode(image, kind or PNG, quality=quality, strip=strip)


def write_image(
    image: Image,
    path: str | Path,
    *,
    overwrite: bool = False,
    format: str | None = None,
    quality: int | None = None,
    strip: bool = False,
) -> Path:
    """Write the photo to a file, whole or not at all.

    The bytes go to a temporary file beside the target, which takes its place when all is on the
    disk. Missing folders are made.

    Args:
        image: What to write.
        path: The file; its suffix chooses the format.
        overwrite: Replace what is there.
        format: A suffix such as "jpg", for a path whose own suffix says nothing.
        quality: As in `encode_image`.
        strip: As in `encode_image`.

    Returns:
        The path written.

    Raises:
        OutputExistsError: Something is there and `overwrite` is false.
        WriteError: The file cannot be written, or the format cannot hold the photo.
    """
    path = Path(path)
    try:
        kind = _format_named(format or path.suffix)
        _check_target(path, overwrite=overwrite)
        data = encode(image, kind, quality=quality, strip=strip)
        _make_folder(path.parent)
        write_bytes(data, path, replace=overwrite)
    except FileExistsError:
        _refuse_existing(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise WriteError(f"cannot write {path}: {reason}", path=path) from error
    except WriteError as error:
        if error.path is None:
            raise WriteError(f"cannot write {path}: {error}", path=path) from error.__cause__
        raise
    return path


def output_paths(
    inputs: Sequence[Path],
    out: Path | None = None,
    *,
    as_folder: bool = False,
    format: str | None = None,
    suffix: str = "_gpen",
) -> list[Path]:
    """Where the results of inputs go; nothing is written.

    Without `out`, `<stem>_gpen.<ext>` beside each input. `out` is the file itself for one input
    if it has a suffix and is no folder; else it is a folder for `<stem>_gpen.<ext>`. Names that
    would meet (also where a file system ignores case) are numbered: `<stem>_2_gpen.<ext>`.

    Args:
        inputs: Files that were read.
        out: A file or folder.
        as_folder: `out` is a folder even for one input.
        format: A suffix such as "jpg"; None keeps the input's, or takes PNG where that cannot be
            written (GIF).
        suffix: What marks results.

    Raises:
        SettingsError: The format is unknown, or `out` is a file of another format.
    """
    kind = None
    if format is not None and (kind := find_format(format)) is None:
        raise SettingsError(f"format is {format!r}; expected one of {WRITABLE_NAMES}")
    if out is not None and len(inputs) == 1 and out.suffix and not as_folder and not out.is_dir():
        if kind is not None and find_format(out.suffix) is not kind:
            raise SettingsError(f"{out} is not named like the format {format}; leave one of them")
        return [out]
    taken: set[str] = set()
    return [_free_name(path, out or path.parent, kind, suffix, taken) for path in inputs]


def _free_name(
    path: Path, folder: Path, kind: FileFormat | None, suffix: str, taken: set[str]
) -> Path:
    """`<stem><suffix>.<ext>` in the folder, numbered if another input has taken it."""
    own = find_format(path.suffix)
    extension = path.suffix if own and kind in (None, own) else (kind or PNG).suffixes[0]
    return free_path(folder, path.stem, f"{suffix}{extension}", taken)


def _format_named(name: str) -> FileFormat:
    kind = find_format(name)
    if kind is None:
        raise WriteError(f"{name or 'no suffix'} is not a format; expected one of {WRITABLE_NAMES}")
    return kind


def _check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse what must not be replaced before any work is done."""
    if path.is_dir():
        raise WriteError(f"cannot write {path}: it is a folder", path=path)
    if not overwrite and os.path.lexists(path):
        _refuse_existing(path)
    if path.exists() and not path.is_file():
        raise WriteError(f"cannot write {path}: it is a device or pipe, not a file", path=path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise WriteError(f"{folder} is a file; expected a folder", path=folder) from None


def _refuse_existing(path: Path) -> NoReturn:
    raise OutputExistsError(
        f"{path} is already there; choose another name or allow overwriting", path=path
    ) from None
