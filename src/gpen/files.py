"""Files: writing whole or not at all, names nobody has, cache and data folders, hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from .errors import GpenError, ReadError, WriteError

_BLOCK_BYTES = 1 << 20
#: How the names of temporary files begin.
_TEMPORARY = ".gpen-"


def cache_dir() -> Path:
    """Where gpen keeps what it can make again: `GPEN_CACHE_DIR`, or the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("GPEN_CACHE_DIR") or platformdirs.user_cache_dir("gpen", False))


def data_dir() -> Path:
    """Where gpen keeps what the user has fetched and accepted: the user's data folder."""
    import platformdirs

    return Path(platformdirs.user_data_dir("gpen", False))


def made_data_dir() -> Path:
    """`data_dir`, made if it is not there.

    Raises:
        WriteError: It cannot be made.
    """
    folder = data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make {folder} ({error.strerror}): free that name or set XDG_DATA_HOME",
            path=folder,
        ) from error
    return folder


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    After a power cut the name has the old file or the new one, never an empty one. What goes wrong
    with other files within the block is not the fault of `path`: such errors pass as they are.

    Raises:
        WriteError: The folder is missing, not writable or full. `path` is as it was.
    """
    with temporary_file(path.parent, path.suffix) as temporary:
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        temporary.chmod(mode)  # safetensors puts a file in its place that only the owner reads
        with temporary.open("rb+") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        temporary.replace(path)
    _flush_folder(path.parent)


def write_bytes(data: bytes, path: Path, *, replace: bool) -> None:
    """Write a file whole or not at all; one that is replaced passes on its permissions.

    Raises:
        FileExistsError: Something is there and `replace` is false.
        OSError: The disk is full, the folder is not writable, …
    """
    if replace:
        path = path.resolve()  # a link stays a link
    temporary = path.with_name(_temporary_name(".tmp"))
    try:
        with temporary.open("xb") as file:
            if replace and path.exists():
                temporary.chmod(path.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path, replace=replace)
    finally:
        temporary.unlink(missing_ok=True)


def publish(unfinished: Path, target: Path, *, replace: bool) -> None:
    """Give a finished file its name, in one step; both lie on one disk.

    Without `replace` a name that is taken stays with its file, whoever tries at the same time.

    Raises:
        FileExistsError: The name is taken and `replace` is false.
        OSError: The folder is not writable, …
    """
    if replace:
        unfinished.replace(target)
        return
    try:
        target.hardlink_to(unfinished)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a file system without hard links: take the name, then fill it
        target.open("xb").close()
        try:
            unfinished.replace(target)
        except BaseException:
            target.unlink()
            raise
    else:
        unfinished.unlink(missing_ok=True)


def free_path(folder: Path, stem: str, ending: str, taken: set[str]) -> Path:
    """`<stem><ending>`, its stem numbered where the name is taken; notes it in `taken`.

    Names that differ in case alone count as one, as they do in many file systems.
    """
    number = 1
    while True:
        numbered = stem if number == 1 else f"{stem}_{number}"
        path = folder / f"{numbered}{ending}"
        key = os.path.normpath(path).casefold()
        if key not in taken:
            taken.add(key)
            return path
        number += 1


@contextlib.contextmanager
def os_errors_as(
    kind: type[ReadError | WriteError],
    what: str,
    *,
    remedy: str = "",
    path: Path | None = None,
    errors: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[None]:
    """Raise errors of the system, or of a library, as one line of gpen's own.

    Args:
        kind: What is raised.
        what: What could not be done.
        remedy: What to do.
        path: The file or folder concerned.
        errors: What is turned; errors of gpen pass as they are.
    """
    try:
        yield
    except GpenError:
        raise
    except errors as error:
        strerror = getattr(error, "strerror", None)  # "No space left on device"
        lines = (strerror.lower() if strerror else str(error)).splitlines()
        reason = lines[0] if lines else type(error).__name__
        message = f"{what} ({reason}): {remedy}" if remedy else f"{what}: {reason}"
        raise kind(message, path=path) from error


def _flush_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders, some network disks flush none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def temporary_file(folder: Path, suffix: str) -> Iterator[Path]:
    """A file that is gone after the block, unless the block has moved it.

    It has the permissions of any new file. Errors of other files pass as they are.

    Raises:
        WriteError: The folder is missing, not writable or full.
    """
    temporary = folder / _temporary_name(suffix)
    try:
        # Not by `tempfile`, whose files only their owner reads: the system applies the umask here.
        temporary.open("xb").close()
        yield temporary
    except OSError as error:
        if _names_another_file(error, temporary):
            raise
        raise WriteError(
            f"cannot write to {folder} ({error.strerror or error}): {_remedy(error)}", path=folder
        ) from error
    finally:
        with contextlib.suppress(OSError):  # nothing was made where the folder cannot be written
            temporary.unlink(missing_ok=True)


def _temporary_name(suffix: str) -> str:
    return f"{_TEMPORARY}{secrets.token_hex(8)}{suffix}"


def _names_another_file(error: OSError, temporary: Path) -> bool:
    """Whether an error says that it is about another file; a full disk names none."""
    name = error.filename
    return isinstance(name, (str, bytes, os.PathLike)) and Path(os.fsdecode(name)) != temporary


def _remedy(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "make that folder or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return "choose a folder that can be written"
    return "free some space or choose another place"


def remove_leftovers(folder: Path, *, older_than_s: float = 0.0) -> None:
    """Delete temporary files that a killed process has left in a folder.

    Args:
        folder: Where to look; not in the folders in it.
        older_than_s: Seconds since the last change, below which a file may still be written.
    """
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):  # its writer is done with it, or it is another user's
            if time.time() - path.stat().st_mtime >= older_than_s:
                path.unlink()


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex, remembered in the cache until size or time of the file change."""
    status, full = path.stat(), str(path.resolve())
    stamp = [status.st_size, status.st_mtime_ns]
    note = cache_dir() / "sums" / f"{hashlib.sha256(full.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text("utf-8"))
        if known["stamp"] == stamp and len(known["sha256"]) == 64:
            return str(known["sha256"])
    digest = sha256_now(path)
    with contextlib.suppress(OSError, WriteError):  # without a cache it is computed every time
        note.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(note) as temporary:
            temporary.write_text(json.dumps({"file": full, "stamp": stamp, "sha256": digest}))
    return digest


def sha256_now(path: Path) -> str:
    """The file's SHA-256 in hex, read anew."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def crc32(path: Path) -> str:
    """The file's zlib CRC-32 as eight hex digits."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return f"{value:08x}"
