"""An HTTP transfer: requests, redirects, ranges, retries."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from ..errors import WeightsError, WriteError
from ..files import os_errors_as, written_whole
from ..version import VERSION

#: Called with the bytes that are there, and all there will be, where that is known.
Progress = Callable[[int, int | None], None]

_BLOCK_BYTES = 1 << 18
#: Files of unknown size are given up at this one, so that no server fills the disk.
_MOST_BYTES = 4 << 30
#: Answers of a host that is busy or being mended.
_BUSY = (408, 425, 429, 500, 502, 503, 504)


class _BrokenOffError(Exception):
    """A transfer ended early and may be taken up again."""


class _RefusedError(Exception):
    """This URL does not have the file; another may."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to something that others can read or change."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.startswith("https:"):
            raise _RefusedError(f"redirects from https to {newurl.partition(':')[0]}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Transfer:
    """The transfer of one file into its partial file."""

    def __init__(
        self,
        file: IO[bytes],
        target: Path,
        size: int | None,
        sha256: str | None,
        progress: Progress,
        timeout_s: float,
    ) -> None:
        self._file, self._target, self._size, self._sha256 = file, target, size, sha256
        self._progress, self._timeout_s = progress, timeout_s
        self._note = target.with_name(f"{target.name}.part.json")
        self._opener = urllib.request.build_opener(_SafeRedirects)

    def fetch(self, urls: Sequence[str], pauses_s: Sequence[float]) -> None:
        """Fetch from the first URL that has the file."""
        refusals = []
        for url in urls:
            try:
                self._fetch_from(url, pauses_s)
            except _RefusedError as refusal:
                refusals.append(f"{url} {refusal}")
            else:
                return
        raise WeightsError(
            f"cannot fetch {self._target.name}: {'; '.join(refusals)}; check the network and "
            "HTTPS_PROXY, name a mirror with --mirror, or try later: what has come is kept",
            path=self._target,
        )

    def _fetch_from(self, url: str, pauses_s: Sequence[float]) -> None:
        pauses = iter(pauses_s)
        while True:
            before = self._here()
            try:
                self._go_on(url)
            except _BrokenOffError as broken:
                if self._here() > before:
                    pauses = iter(pauses_s)
                pause = next(pauses, None)
                if pause is None:
                    raise _RefusedError(str(broken)) from None
                time.sleep(pause)
            else:
                return

    def _go_on(self, url: str) -> None:
        """Fetch what is missing, in one request.

        Raises:
            _BrokenOffError: It ended early.
            _RefusedError: The URL does not have the file.
        """
        here, headers = self._resume(url)
        self._progress(here, self._size)
        if here == self._size:
            return
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                self._take(url, response, here)
        except urllib.error.HTTPError as error:
            with error:
                self._understand(error, here)
        except urllib.error.URLError as error:
            lost = isinstance(error.reason, (TimeoutError, ConnectionResetError))
            kind = _BrokenOffError if lost else _RefusedError
            raise kind(f"cannot be reached ({_reason(error.reason)})") from None
        except (http.client.HTTPException, OSError) as error:
            raise _BrokenOffError(f"broke off ({_reason(error)})") from None

    def _understand(self, error: urllib.error.HTTPError, here: int) -> None:
        """Raise what a response that is no file means, unless it says that nothing is missing."""
        if error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{here}":
                return
            self._restart()  # the part is of another file
            raise _BrokenOffError("has no such range") from None
        kind = _BrokenOffError if error.code in _BUSY else _RefusedError
        reason = " ".join(str(error.reason).split())  # some of them have several lines
        raise kind(f"answers {error.code} {reason}") from None

    def _resume(self, url: str) -> tuple[int, dict[str, str]]:
        """Bytes of the part that count, and the request's headers."""
        headers = {"User-Agent": f"gpen/{VERSION}", "Accept-Encoding": "identity"}
        here = self._here()
        if self._size is not None and here > self._size:
            self._restart()
            here = 0
        if not here:
            return 0, headers
        note = _read_note(self._note)
        validator = note.get("validator") if note.get("url") == url else None
        # A sum proves in the end that both halves are of one file; else the host has to say so.
        if validator is None and self._sha256 is None:
            self._restart()
            return 0, headers
        headers["Range"] = f"bytes={here}-"
        if validator is not None:
            headers["If-Range"] = validator
        return here, headers

    def _take(self, url: str, response: Any, here: int) -> None:
        """Write what a response brings behind what is here."""
        if response.status == 206:
            if (total := _total(response, here)) is None:
                self._restart()
                raise _BrokenOffError("answers with another range than was asked for")
        else:  # the whole file: the range was ignored, or it is another file now
            self._restart()
            here, total = 0, _length(response)
        if self._size is not None and total not in (None, self._size):
            raise _RefusedError(f"offers {total} bytes where {self._size} were expected")
        with disk_errors(self._target):
            self._check_room((total or 0) - here)
            _write_note(self._note, url, response.headers)
        while block := response.read(_BLOCK_BYTES):
            here += len(block)
            if here > (total or _MOST_BYTES):
                self._restart()
                raise _RefusedError(f"sends more than {total or _MOST_BYTES} bytes")
            with disk_errors(self._target):
                self._file.write(block)
            self._progress(here, total)
        with disk_errors(self._target):
            self._file.flush()
        if total is not None and here < total:
            raise _BrokenOffError(f"broke off after {here} of {total} bytes")

    def _check_room(self, n_bytes: int) -> None:
        free = shutil.disk_usage(self._target.parent).free
        if free < n_bytes:
            raise WriteError(
                f"{self._target.name} needs {n_bytes / 2**20:.0f} MiB more, and {free / 2**20:.0f} "
                f"MiB are free in {self._target.parent}: make room or choose another folder",
                path=self._target,
            )

    def _here(self) -> int:
        self._file.flush()
        return self._file.seek(0, 2)

    def _restart(self) -> None:
        self._file.truncate(0)
        self._note.unlink(missing_ok=True)


def disk_errors(target: Path) -> AbstractContextManager[None]:
    """Failures of the disk in one line, as `WriteError`."""
    return os_errors_as(
        WriteError,
        f"cannot write {target}",
        remedy="make room or choose another folder; what has come is kept",
        path=target,
    )


def _total(response: Any, here: int) -> int | None:
    """Bytes of the whole file if a partial response goes on where the part ends, else None."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != here or int(match[2]) + 1 != int(match[3]):
        return None
    return int(match[3])


def _length(response: Any) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _write_note(note: Path, url: str, headers: Any) -> None:
    """Remember what the part is of, so that the host can say whether it still is the same."""
    tag = headers.get("ETag", "")
    validator = tag if tag.startswith('"') else headers.get("Last-Modified")  # weak tags do not do
    with written_whole(note) as temporary:
        temporary.write_text(json.dumps({"url": url, "validator": validator}), "utf-8")


def _read_note(note: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(note.read_text("utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _reason(error: object) -> str:
    """What went wrong, in the operating system's words where it has some."""
    if isinstance(error, TimeoutError):
        return "no response in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
