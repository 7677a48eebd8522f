"""Errors as answers: problem JSON (RFC 9457) with gpen's own words."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
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


class Refusal(Exception):  # noqa: N818
    """A request that is answered by a problem.

    Attributes:
        status: HTTP status.
        detail: One line for the user.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": " ".join(self.detail.split()),
        }

    def to_response(self) -> JSONResponse:
        """The whole answer."""
        return JSONResponse(
            self.to_dict(),
            self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )


class Abandoned(Exception):  # noqa: N818
    """Nobody waits for this work any more: the client went, time is up, or the server ends."""


def refusal_of(error: BaseException, *, name: str = "") -> Refusal:
    """The refusal that tells of an error.

    Args:
        error: What was raised.
        name: What the user calls the file; takes the place of the path that the server gave it.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, MemoryError):
        return Refusal(413, "there is too little memory for this; send a smaller photo or clip")
    if is_disk_full(error):
        return _later("the disk of the server is full; try again later")
    if not isinstance(error, GpenError):
        _log.error("unexpected error", exc_info=error)
        return Refusal(500, "the server met an error that it did not expect; its log says more")
    status = _status(error)
    if status >= 500:
        _log.error("%s", error)
    return Refusal(status, _named(error, name))


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


def _later(detail: str) -> Refusal:
    return Refusal(503, detail, headers={"Retry-After": str(RETRY_S)})


def stopping() -> Refusal:
    """The answer while the server ends."""
    return _later("the server is being stopped; send it again when it runs")
