"""Reads request bodies into files, with limits on size and time."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from starlette.requests import Request

from .http_problems import Cancelled, HttpProblem
from .limits import Limits
from .multipart_form import Form, boundary_of
from .request_queue import Receive

#: Bytes of a multipart body that are not the file.
_FORM_BYTES = 256 << 10
#: Files from this size on are written in a thread.
_LARGE = 1 << 20
#: Longest name that a file keeps.
_NAME_LENGTH = 100


@dataclass(slots=True)
class Upload:
    """A file that a client has sent.

    Attributes:
        file: Its bytes, rewound.
        name: A harmless name for it.
        n_bytes: How long it is.
        fields: The other fields of the form, then the query, in order.
    """

    file: BinaryIO
    name: str = ""
    n_bytes: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)


class Uploads:
    """The files of one body, as they come in.

    Attributes:
        files: Those that have begun.
    """

    def __init__(self, new_file: Callable[[], BinaryIO], most: int, most_files: int = 1) -> None:
        """Take in at most so many files of at most so many bytes each."""
        self.files: list[Upload] = []
        self._new_file, self._most, self._most_files = new_file, most, most_files

    def begin(self, name: str = "") -> None:
        """Begin the next file.

        Raises:
            HttpProblem: There are too many.
        """
        if len(self.files) >= self._most_files:
            detail = "several files; send one at a time"
            if self._most_files > 1:
                detail = f"more than {self._most_files} files; send some of them at a time"
            raise HttpProblem(400, f"the form has {detail}")
        self.files.append(Upload(self._new_file(), safe_name(name)))

    def write(self, data: bytes) -> None:
        """Add to the file that has begun last.

        Raises:
            HttpProblem: It becomes larger than allowed.
        """
        self.files[-1].n_bytes += len(data)
        if self.files[-1].n_bytes > self._most:
            raise too_large(self._most)
        self.files[-1].file.write(data)

    def close(self) -> None:
        """Close all files."""
        for upload in self.files:
            upload.file.close()


def too_large(most: int) -> HttpProblem:
    """The refusal of a body with too many bytes."""
    return HttpProblem(413, f"the file is larger than the limit of {most / 2**20:g} MiB")


async def read_upload(
    request: Request, new_file: Callable[[], BinaryIO], most: int, limits: Limits
) -> Upload:
    """Read a body of one file; see `read_uploads`."""
    return (await read_uploads(request, new_file, most, limits))[0]


async def read_uploads(
    request: Request,
    new_file: Callable[[], BinaryIO],
    most: int,
    limits: Limits,
    *,
    most_files: int = 1,
) -> list[Upload]:
    """Read a body: a form with parts `file`, or a file itself.

    Args:
        request: Its body is unread.
        new_file: Where the bytes of a file go; closed if this fails.
        most: Most bytes of a file.
        limits: Times that an upload may take.
        most_files: Most files of a form.

    Returns:
        At least one; the other fields of the form are those of each.

    Raises:
        HttpProblem: Too large, too slow, damaged, empty, or of no kind that is taken.
        Cancelled: The client went.
    """
    uploads, fields = Uploads(new_file, most, most_files), list[tuple[str, str]]()
    try:
        await _read(request, uploads, fields, limits, most * most_files)
        for upload in uploads.files:
            await asyncio.to_thread(upload.file.seek, 0)
            upload.fields = [*fields, *request.query_params.multi_items()]
    except BaseException:
        uploads.close()
        raise
    return uploads.files


async def _read(
    request: Request,
    uploads: Uploads,
    fields: list[tuple[str, str]],
    limits: Limits,
    most_body: int,
) -> None:
    kind, _, options = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    is_form = kind == "multipart/form-data"
    _check_kind(kind)
    _check_length(request, most_body, most_body + _FORM_BYTES * is_form)
    form = Form(boundary_of(options), uploads, fields) if is_form else None
    if form is None:
        uploads.begin()
    take = uploads.write if form is None else form.take
    n_taken = 0
    async for chunk in _chunks(request.receive, limits):
        n_taken += len(chunk)
        await (asyncio.to_thread(take, chunk) if n_taken > _LARGE else _at_once(take, chunk))
    if form is not None:
        form.finish()
    if not uploads.files or not all(one.n_bytes for one in uploads.files):
        raise HttpProblem(
            400, "there is no file, or it is empty; send it as the part 'file' of a form"
        )


def _check_kind(kind: str) -> None:
    # curl --data-binary says that it sends a form, whatever it sends.
    known = ("", "multipart/form-data", "application/octet-stream")
    if kind in (*known, "application/x-www-form-urlencoded") or kind.startswith(
        ("image/", "video/")
    ):
        return
    raise HttpProblem(
        415, f"{kind[:60]!r} is not taken; expected multipart/form-data, image/… or video/…"
    )


def _check_length(request: Request, most: int, most_body: int) -> None:
    """Refuse by the announced length, before anything is read."""
    length = request.headers.get("content-length", "")
    if re.fullmatch(r"[0-9]{1,18}", length) and int(length) > most_body:
        raise too_large(most)


async def _at_once(take: Callable[[bytes], Any], chunk: bytes) -> None:
    take(chunk)


async def _chunks(receive: Receive, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it comes in, as long as it comes fast enough."""
    least = limits.upload_rate * limits.idle_s
    end_s = time.monotonic() + limits.upload_s
    period_end_s, n_bytes = time.monotonic() + limits.idle_s, 0
    while True:
        wait_s = min(period_end_s, end_s) - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, wait_s))
        except asyncio.TimeoutError:
            if n_bytes < least or time.monotonic() >= end_s:
                raise HttpProblem(
                    408, "the upload stood still or was too slow; send it again"
                ) from None
            period_end_s, n_bytes = time.monotonic() + limits.idle_s, 0
            continue
        if message["type"] == "http.disconnect":
            raise Cancelled
        body = message.get("body", b"")
        n_bytes += len(body)
        yield body
        if not message.get("more_body", False):
            return


def safe_name(name: str) -> str:
    """A file name that no system takes for anything else; "photo" where nothing is left of it."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(c for c in last if c.isprintable() and c not in "<>:|?*").strip(" .")
    path = PurePosixPath(plain or "photo")
    suffix = path.suffix if len(path.suffix) <= 10 else ""
    stem = plain.removesuffix(suffix) if suffix else plain
    return (stem[: _NAME_LENGTH - len(suffix)].strip(" .") or "photo") + suffix
