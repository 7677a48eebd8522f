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
from .request_queue import Receive

#: Bytes of a multipart body that are not the file.
_FORM_BYTES = 256 << 10
#: Fields of a form, and bytes of one. The parser bounds the heads of its parts.
_FIELDS, _FIELD_BYTES = 100, 8 << 10
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

    def write(self, data: bytes, most: int) -> None:
        """Add to the file.

        Raises:
            HttpProblem: It becomes larger than allowed.
        """
        self.n_bytes += len(data)
        if self.n_bytes > most:
            raise too_large(most)
        self.file.write(data)


def too_large(most: int) -> HttpProblem:
    """The refusal of a body with too many bytes."""
    return HttpProblem(413, f"the file is larger than the limit of {most / 2**20:g} MiB")


async def read_upload(request: Request, file: BinaryIO, most: int, limits: Limits) -> Upload:
    """Read a body: a form with a part `file`, or the file itself.

    Args:
        request: Its body is unread.
        file: Where the bytes go; closed if this fails.
        most: Most bytes of the file.
        limits: Times that an upload may take.

    Raises:
        HttpProblem: Too large, too slow, damaged, empty, or of no kind that is taken.
        Cancelled: The client went.
    """
    upload = Upload(file)
    try:
        await _read(request, upload, most, limits)
    except BaseException:
        file.close()
        raise
    upload.fields += request.query_params.multi_items()
    upload.name = safe_name(upload.name)
    return upload


async def _read(request: Request, upload: Upload, most: int, limits: Limits) -> None:
    kind, _, options = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    is_form = kind == "multipart/form-data"
    _check_kind(kind)
    _check_length(request, most, most + _FORM_BYTES * is_form)
    take: Callable[[bytes], Any] = lambda data: upload.write(data, most)  # noqa: E731
    form = None
    if is_form:
        form = _Form(upload, _boundary(options), most)
        take = form.take
    n_taken = 0
    async for chunk in _chunks(request.receive, limits):
        n_taken += len(chunk)
        await (asyncio.to_thread(take, chunk) if n_taken > _LARGE else _at_once(take, chunk))
    if form is not None:
        form.finish()
    if not upload.n_bytes:
        raise HttpProblem(
            400, "there is no file, or it is empty; send it as the part 'file' of a form"
        )
    await asyncio.to_thread(upload.file.seek, 0)


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
    """The body as it comes in."""
    end_s = time.monotonic() + limits.upload_s
    while True:
        wait_s = min(limits.idle_s, end_s - time.monotonic())
        try:
            message = await asyncio.wait_for(receive(), max(0.0, wait_s))
        except asyncio.TimeoutError:
            raise HttpProblem(
                408, "the upload stood still or took too long; send it again"
            ) from None
        if message["type"] == "http.disconnect":
            raise Cancelled
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _boundary(options: str) -> bytes:
    from python_multipart.multipart import parse_options_header

    boundary = parse_options_header(f"multipart/form-data;{options}")[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= 200:
        raise HttpProblem(400, "the form has no boundary; send it with curl -F or FormData")
    return boundary


class _Form:
    """Takes a multipart body apart: one file, and short fields."""

    def __init__(self, upload: Upload, boundary: bytes, most: int) -> None:
        from python_multipart import MultipartParser

        self._upload, self._most = upload, most
        self._head: dict[bytes, bytes] = {}
        self._header, self._value = bytearray(), bytearray()
        self._name, self._text = "", bytearray()
        self._is_file = self._has_file = self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, a, b: self._header.extend(data[a:b]),
                "on_header_value": lambda data, a, b: self._value.extend(data[a:b]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_head,
                "on_part_data": lambda data, a, b: self._data(data[a:b]),
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def take(self, data: bytes) -> None:
        """Take a piece of the body."""
        from python_multipart.exceptions import MultipartParseError

        try:
            self._parser.write(data)
        except MultipartParseError:
            raise HttpProblem(
                400, "the form is damaged; send it with curl -F or FormData"
            ) from None

    def finish(self) -> None:
        """The body has ended."""
        if not self._is_whole:
            raise HttpProblem(400, "the form is cut short; send it again")

    def _begin(self) -> None:
        self._head, self._is_file = {}, False
        self._name, self._text = "", bytearray()

    def _end_header(self) -> None:
        self._head[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _end_head(self) -> None:
        from python_multipart.multipart import parse_options_header

        disposition = parse_options_header(self._head.get(b"content-disposition", b""))[1]
        self._name = _text(disposition.get(b"name", b""))
        self._is_file = self._name == "file"
        if b"filename" in disposition and not self._is_file:
            raise HttpProblem(400, "the form has a file that is not called 'file'")
        if self._is_file:
            if self._has_file:
                raise HttpProblem(400, "the form has several files; send one at a time")
            self._has_file = True
            self._upload.name = disposition.get(b"filename", b"").decode("utf-8", "replace")

    def _data(self, data: bytes) -> None:
        if self._is_file:
            self._upload.write(data, self._most)
            return
        self._text += data
        if len(self._text) > _FIELD_BYTES:
            raise HttpProblem(413, f"the field {self._name[:40]!r} of the form is too long")

    def _end_part(self) -> None:
        if self._is_file:
            return
        if len(self._upload.fields) >= _FIELDS:
            raise HttpProblem(413, f"the form has more than {_FIELDS} fields")
        self._upload.fields.append((self._name, _text(bytes(self._text))))

    def _end(self) -> None:
        self._is_whole = True


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise HttpProblem(400, "the form has a field that is not UTF-8") from None


def safe_name(name: str) -> str:
    """A file name that no system takes for anything else; "photo" where nothing is left of it."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(c for c in last if c.isprintable() and c not in '<>:"|?*%').strip(" .")
    path = PurePosixPath(plain or "photo")
    suffix = path.suffix if len(path.suffix) <= 10 else ""
    stem = plain.removesuffix(suffix) if suffix else plain
    return (stem[: _NAME_LENGTH - len(suffix)].strip(" .") or "photo") + suffix
