"""Errors as responses: problem JSON (RFC 9457) with the messages of gpen."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from ..errors import (
    AlignError,
    GpenError,
    MissingExtraError,
    ReadError,
    SettingsError,
    UnknownModelError,
    WriteError,
)

_log = logging.getLogger("gpen.server")
#: Seconds after which a client may try again where nothing better is known.
RETRY_S = 5
PROBLEM_TYPE = "application/problem+json"


class HttpProblem(Exception):  # noqa: N818
    """An error that is sent as problem JSON.

    Attributes:
        status: HTTP status.
        detail: One line for the user.
        headers: Further headers of the response.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled where a process raises it for the server's."""
        return partial(HttpProblem, headers=self.headers), (self.status, self.detail)

    def to_dict(self) -> dict[str, Any]:
        """The body of the response."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": " ".join(self.detail.split()),
        }

    def to_response(self) -> JSONResponse:
        return JSONResponse(
            self.to_dict(),
            self.status,
            headers=self.headers,
            media_type=PROBLEM_TYPE,
        )


class Cancelled(Exception):  # noqa: N818
    """Nobody waits for this work any more: the client went, time is up, or the server ends."""


def problem_of(error: BaseException, *, name: str = "") -> HttpProblem:
    """The problem that reports an error.

    Args:
        error: What was raised.
        name: What the user calls the file; takes the place of the path that the server gave it.
    """
    if isinstance(error, HttpProblem):
        return error
    if isinstance(error, MemoryError):
        return HttpProblem(
            413, "there is too little memory for this; send a smaller photo or video"
        )
    if is_disk_full(error):
        return _later("the disk of the server is full; try again later")
    if not isinstance(error, GpenError):
        _log.error("unexpected error", exc_info=error)
        return HttpProblem(500, "the server met an error that it did not expect; its log says more")
    status = _status(error)
    if status >= 500:
        _log.error("%s", error)
    return HttpProblem(status, _named(error, name))


def _status(error: GpenError) -> int:
    if isinstance(error, MissingExtraError):
        return 501
    if isinstance(error, SettingsError | ReadError | WriteError | AlignError | UnknownModelError):
        return 422
    return 500


def _named(error: GpenError, name: str) -> str:
    """The error's words, with the user's name of a file for the server's."""
    path = getattr(error, "path", None)
    text = str(error)
    return text.replace(str(path), name) if name and path is not None else text


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one it was raised from, says that there is no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


def _later(detail: str) -> HttpProblem:
    return HttpProblem(503, detail, headers={"Retry-After": str(RETRY_S)})


def stopping() -> HttpProblem:
    """The response while the server ends."""
    return _later("the server is being stopped; send it again when it runs")
