"""Requests that are sent again because their answer was lost: done once, answered twice."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request
from starlette.responses import JSONResponse, Response

from .http_problems import RETRY_S, HttpProblem
from .visitors import address_of

HEADER = "Idempotency-Key"
#: Answers that are remembered at the same time.
_MOST = 10_000


@dataclass(slots=True)
class _Answer:
    """What became of a request; nothing yet while it is worked on."""

    looks: tuple[str, ...]
    response: Response | None = None
    since_s: float = field(default_factory=time.monotonic)


class IdempotencyKeys:
    """Answers in JSON by the key and the address of their requests."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._answers: dict[tuple[str, str, str], _Answer] = {}

    async def once(self, request: Request, make: Callable[[], Awaitable[Response]]) -> Response:
        """The answer to a request, made only if it is a new one.

        Requests without a key are always new. An answer that is no JSON, or an error, is not kept.

        Raises:
            HttpProblem: The key is no text of a sensible length (400), belongs to a request that
                looks different (422) or to one that is still worked on (409).
        """
        key = request.headers.get(HEADER)
        if key is None:
            return await make()
        if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
            raise HttpProblem(400, f"{HEADER} is no plain text of 1 to 255 characters")
        self._tidy()
        place = (address_of(request), request.url.path, key)
        looks = (request.url.query, request.headers.get("content-length", ""))
        known = self._answers.get(place)
        if known is not None:
            return _again(known, looks)
        answer = self._answers[place] = _Answer(looks)
        try:
            response = await make()
            if isinstance(response, JSONResponse):
                answer.response = response
            return response
        finally:
            if answer.response is None:
                self._answers.pop(place, None)

    def _tidy(self) -> None:
        now_s = time.monotonic()
        for place, answer in list(self._answers.items()):
            is_old = now_s - answer.since_s > self._keep_s or len(self._answers) > _MOST
            if answer.response is not None and is_old:
                del self._answers[place]


def _again(known: _Answer, looks: tuple[str, ...]) -> Response:
    if known.looks != looks:
        raise HttpProblem(422, f"this {HEADER} belongs to another request; take a new one")
    if known.response is None:
        raise HttpProblem(
            409,
            f"the request of this {HEADER} is still worked on",
            headers={"Retry-After": str(RETRY_S)},
        )
    return known.response
