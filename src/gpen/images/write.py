"""Writes an `Image` to bytes and files; names output paths."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
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

    16 bits are kept by PNG and TIFF, rounded to 10 by AVIF and HEIC and to 8 by the others. A
    colour profile that the format cannot hold (BMP; grey profiles where grey is stored as RGB) is
    applied instead.

    Args:
        image: What to write.
        format: A suffix such as "jpg"; without one the format that the photo was read from, or
            PNG where that cannot be written (GIF) or there was none.
        quality: 1-100 for formats with loss; None chooses one at which no loss is seen.
        strip: Leave EXIF, XMP, IPTC, comments and texts out. The colour profile and the resolution
            stay.

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
    roots: Sequence[Path] = (),
    earlier: Mapping[Path, Path] | None = None,
) -> list[Path]:
    """Where the results of inputs go; nothing is written.

    Without `out`, `<stem>_gpen.<ext>` beside each input. `out` is the file itself for one input
    if it has a suffix and is no folder; else it is a folder for `<stem>_gpen.<ext>`, and inputs
    below one of `roots` keep their folders below it. Names that would meet (also where a file
    system ignores case) are numbered: `<stem>_2_gpen.<ext>`.

    Args:
        inputs: Files that were read.
        out: A file or folder.
        as_folder: `out` is a folder even for one input.
        format: A suffix such as "jpg"; None keeps the input's, or takes PNG where that cannot be
            written (GIF).
        suffix: What marks results.
        roots: Folders that the inputs were found in.
        earlier: Results of other runs, each with the real path of the input that it was made of.
            Inputs get their earlier results again, and no others do.

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
    folders = [_folder_below(path, out, roots) for path in inputs]
    endings = [f"{suffix}{_extension(path, kind)}" for path in inputs]
    return free_targets(inputs, folders, endings, earlier or {})


def _folder_below(path: Path, out: Path | None, roots: Sequence[Path]) -> Path:
    """Where the result of an input goes: the folder that it has below its root, below `out`."""
    if out is None:
        return path.parent
    root = next((root for root in roots if path.is_relative_to(root)), path.parent)
    return out / path.parent.relative_to(root)


def _extension(path: Path, kind: FileFormat | None) -> str:
    own = find_format(path.suffix)
    return path.suffix if own and kind in (None, own) else (kind or PNG).suffixes[0]


def free_targets(
    inputs: Sequence[Path],
    folders: Sequence[Path],
    endings: Sequence[str],
    earlier: Mapping[Path, Path],
) -> list[Path]:
    """`<stem><ending>` in a folder for each input, numbered where another input has taken it.

    Args:
        inputs: What results are made of.
        folders: One for each input.
        endings: One for each input.
        earlier: As in `output_paths`.
    """
    again: dict[str, list[Path]] = {}
    for result, source in earlier.items():
        again.setdefault(_key(source), []).append(result)
    taken = {_key(result) for result in earlier}
    targets = []
    for path, folder, ending in zip(inputs, folders, endings, strict=True):
        # Real paths cost calls of the system: without earlier results none are needed.
        known = again.get(_key(Path(os.path.realpath(path))), ()) if again else ()
        fitting = [one for one in known if _is_numbered(one.name, path.stem, ending)]
        fitting.sort(key=lambda one: one.parent != folder)
        targets.append(fitting[0] if fitting else free_path(folder, path.stem, ending, taken))
    return targets


def _is_numbered(name: str, stem: str, ending: str) -> bool:
    """Whether a name is `<stem><ending>`, or that with a number."""
    return re.fullmatch(rf"{re.escape(stem)}(_\d+)?{re.escape(ending)}", name) is not None


def _key(path: Path) -> str:
    """By what names are told apart, also on file systems that ignore case."""
    return os.path.normpath(path).casefold()


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
