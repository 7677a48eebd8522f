"""Takes multipart bodies apart while they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .http_problems import HttpProblem

if TYPE_CHECKING:
    from .uploads import Uploads

#: Fields of a form, and bytes of one. The parser bounds the heads of its parts.
_FIELDS, _FIELD_BYTES = 100, 8 << 10


def boundary_of(options: str) -> bytes:
    from python_multipart.multipart import parse_options_header

    boundary = parse_options_header(f"multipart/form-data;{options}")[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= 200:
        raise HttpProblem(400, "the form has no boundary; send it with curl -F or FormData")
    return boundary


class Form:
    """Takes a multipart body apart: files that are called `file`, and short fields."""

    def __init__(self, boundary: bytes, uploads: Uploads, fields: list[tuple[str, str]]) -> None:
        from python_multipart import MultipartParser

        self._uploads, self._fields = uploads, fields
        self._head: dict[bytes, bytes] = {}
        self._header, self._value = bytearray(), bytearray()
        self._name, self._text = "", bytearray()
        self._is_file = self._is_whole = False
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
            name = disposition.get(b"filename", b"").decode("utf-8", "replace")
            self._uploads.begin(name.replace("%22", '"'))  # as browsers send it

    def _data(self, data: bytes) -> None:
        if self._is_file:
            self._uploads.write(data)
            return
        self._text += data
        if len(self._text) > _FIELD_BYTES:
            raise HttpProblem(413, f"the field {self._name[:40]!r} of the form is too long")

    def _end_part(self) -> None:
        if self._is_file:
            return
        if len(self._fields) >= _FIELDS:
            raise HttpProblem(413, f"the form has more than {_FIELDS} fields")
        self._fields.append((self._name, _text(bytes(self._text))))

    def _end(self) -> None:
        self._is_whole = True


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise HttpProblem(400, "the form has a field that is not UTF-8") from None
