"""The cache folder: entries, size limit, least-recently-used pruning.

    graphs/NAME.onnx         an inference graph, one file
    compiled/NAME.blob       a graph as OpenVINO compiled it, one file
    sums/*.json              checksums of weight files, a few bytes each; not counted

An entry's name ends with the CRC-32 of its content, so that a damaged one is told from a whole
one. Entries appear and go in one step: any process may add or remove them while others read, and
the folder may be deleted at any time. The time of last access says when an entry was last used.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingsError
from ..files import cache_dir, crc32

#: Room for five models of 512 px with what OpenVINO made of them.
DEFAULT_LIMIT = "4G"
#: Leftovers of processes that were killed are removed when they are this old.
_STALE_S = 3600
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Entry:
    """One cache entry.

    Attributes:
        path: Its file.
        kind: "graph" or "compiled".
        n_bytes: Its size.
        used_s: When it was last used, in seconds since 1970.
    """

    path: Path
    kind: str
    n_bytes: int
    used_s: float


def parse_size(text: str) -> int:
    """Bytes of a size such as "500M", "1.5G" or "1000000"; K, M, G and T are powers of 1024.

    Raises:
        SettingsError: The text is no size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", text.strip().upper())
    if match is None:
        raise SettingsError(f"{text!r} is no size; expected a number with K, M, G or T: 500M, 4G")
    return int(float(match[1]) * _UNITS[match[2]])


def cache_limit() -> int:
    """Bytes that the cache may take: `GPEN_CACHE_LIMIT`, or 4 GiB.

    Raises:
        SettingsError: The variable holds no size.
    """
    try:
        return parse_size(os.environ.get("GPEN_CACHE_LIMIT") or DEFAULT_LIMIT)
    except SettingsError as error:
        raise SettingsError(f"GPEN_CACHE_LIMIT: {error}") from None


def cache_entries() -> list[Entry]:
    """What the cache holds, least recently used first."""
    found = [
        entry
        for kind, pattern in (("graph", "graphs/[!.]*.onnx"), ("compiled", "compiled/[!.]*.blob"))
        for path in cache_dir().glob(pattern)
        if (entry := _measured(path, kind)) is not None
    ]
    return sorted(found, key=lambda entry: entry.used_s)


def _measured(path: Path, kind: str) -> Entry | None:
    """The entry, or None where another process has just removed it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Entry(path, kind, status.st_size, status.st_atime)


def prune_cache(limit: int | None = None, *, keep: Collection[Path] = ()) -> list[Entry]:
    """Remove what was not used for longest until the rest fits, and what killed processes left.

    Args:
        limit: Bytes that may stay; `cache_limit()` if None.
        keep: Entries that are needed now.

    Returns:
        What was removed.

    Raises:
        SettingsError: `limit` is None and `GPEN_CACHE_LIMIT` holds no size.
    """
    limit = cache_limit() if limit is None else limit
    _remove_leftovers()
    entries = cache_entries()
    total, removed = sum(entry.n_bytes for entry in entries), []
    for entry in entries:
        if total <= limit:
            break
        if entry.path not in keep and remove(entry.path):
            total -= entry.n_bytes
            removed.append(entry)
    return removed


def clear_cache() -> list[Entry]:
    """Remove every entry and every remembered checksum; returns the entries removed."""
    removed = [entry for entry in cache_entries() if remove(entry.path)]
    for note in cache_dir().glob("sums/*.json"):
        remove(note)
    _remove_leftovers()
    return removed


def _remove_leftovers() -> None:
    """Remove temporary files that nobody is writing any more."""
    for path in cache_dir().glob("*/.gpen-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_S:
                remove(path)


def remove(path: Path) -> bool:
    """Remove a file; False where it is gone already or held by a program."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def whole(entry: Path) -> bool:
    """Whether an entry has the sum that its name ends with; one that is gone has not."""
    try:
        return entry.stem.rpartition("-")[2] == crc32(entry)
    except OSError:
        return False


def touch(entry: Path) -> None:
    """Note that an entry was used now. The time of change stays: checksums go by it."""
    with contextlib.suppress(OSError):
        os.utime(entry, ns=(time.time_ns(), entry.stat().st_mtime_ns))


def weight_names() -> dict[str, str]:
    """File names of weights by the first 32 digits of their SHA-256, as far as remembered."""
    names = {}
    for note in cache_dir().glob("sums/*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(note.read_text("utf-8"))
            names[str(known["sha256"])[:32]] = Path(known["file"]).name
    return names
