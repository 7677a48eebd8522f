"""Downloads one file over HTTP: resumable, verified before it gets its name.

Until then it is `<file>.part`, with `<file>.part.json` beside it, which says what of. Proxies are
those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import WeightsError, WriteError
from ..files import sha256_now
from .transfer import Progress, Transfer, disk_errors

_TIMEOUT_S = 30.0
#: Pauses before a transfer that broke off is taken up again; one that got further starts anew.
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)


def download(
    urls: Sequence[str],
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], object] = lambda _: None,
    progress: Progress = lambda _done, _total: None,
    pauses_s: Sequence[float] = _PAUSES_S,
    timeout_s: float = _TIMEOUT_S,
) -> str:
    """Fetch a file; what there is of it already is not fetched again.

    Args:
        urls: Where it lies, the same bytes everywhere; tried in turn.
        target: What it is to become; replaced if it is there.
        size: Bytes expected, or None.
        sha256: Sum expected, in hex, or None.
        check: Called with the whole file before it gets its name; raises where it is unfit.
        progress: Told of every block.
        pauses_s: Seconds to wait before each further try of a transfer that broke off.
        timeout_s: Seconds without a byte that end a try.

    Returns:
        The file's SHA-256 in hex.

    Raises:
        WeightsError: No URL has the file, the transfer broke off too often (what came is kept
            for the next time), or what came is not what was expected (it is removed).
        WriteError: The folder is missing, not writable or full, or another process fetches it.
    """
    part = target.with_name(f"{target.name}.part")
    with _only_here(target):
        with disk_errors(target):
            file = part.open("ab")
        try:
            with file:
                Transfer(file, target, size, sha256, progress, timeout_s).fetch(urls, pauses_s)
        finally:
            if not part.stat().st_size:
                _remove(part)
        try:
            digest = _verified(part, target.name, size, sha256)
            check(part)
        except WeightsError:
            _remove(part)
            raise
        with disk_errors(target):
            part.replace(target)
        _remove(part)
    return digest


@contextlib.contextmanager
def _only_here(target: Path) -> Iterator[None]:
    """Keep other processes from fetching into the same folder meanwhile.

    Raises:
        WriteError: The folder is missing, or another process is at it.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where nobody replaces a file that another process has open
        yield
        return
    with disk_errors(target):
        folder = os.open(target.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WriteError(
                f"another gpen is fetching into {target.parent}: wait until it is done", path=target
            ) from None
        except OSError:  # a file system without locks; what came is checked in the end anyway
            pass
        yield
    finally:
        os.close(folder)


def _verified(part: Path, name: str, size: int | None, sha256: str | None) -> str:
    """The part's sum.

    Raises:
        WeightsError: It, or the size, is not the one expected.
    """
    here = part.stat().st_size
    if size is not None and here != size:
        raise WeightsError(
            f"{name} came with {here} bytes where {size} were expected: try again", path=part
        )
    digest = sha256_now(part)
    if sha256 is not None and digest != sha256:
        raise WeightsError(
            f"{name} came with SHA-256 {digest} where {sha256} was expected, so it was removed: "
            "try again, and trust the source no more if it happens twice",
            path=part,
        )
    return digest


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)
