"""Security middleware: host and origin checks, bearer token, response headers, request metrics."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .http_problems import PROBLEM_TYPE, Cancelled, HttpProblem, problem_of
from .responses import HEAD, is_head
from .state import AppState

_log = logging.getLogger("gpen.server")
#: Of a body that nobody wants, so much is thrown away, for so long: a client that is still
#: sending would see a broken connection instead of the response.
_DRAINED_BYTES, _DRAINED_S = 8 << 20, 2.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
#: What is served without the token: the page, what it has to know before it asks for the token,
#: and results, whose names are secrets themselves.
_OPEN = re.compile(r"/|/docs|/healthz|/static/.*|/openapi\.json|/favicon\.ico|/v1/settings")
_OPEN_TO_GET = re.compile(
    r"/v1/results(\.zip|/.+)|/v1/videos/[^/]+/(result|events)|/v1/clips/[^/]+/source"
)


def is_open(method: str, path: str) -> bool:
    """Whether a path is served without the token."""
    return bool(_OPEN.fullmatch(path) or (method == "GET" and _OPEN_TO_GET.fullmatch(path)))


class SecurityMiddleware:
    """Checks host, origin and token of every request, and adds security headers."""

    def __init__(self, app: ASGIApp, app_state: AppState, hosts: Collection[str]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            app_state: Has the token and the metrics.
            hosts: Names of this server, beside its addresses.
        """
        self._app, self._app_state = app, app_state
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        exchange = _Exchange(receive, send)
        inner = _as_get(scope)
        try:
            self._check(inner)
            await self._app(inner, exchange.receive, exchange.send)
        except Cancelled:
            pass  # the client has gone
        except Exception as error:
            problem = problem_of(error)
            if exchange.status is None:
                await problem.to_response()(inner, exchange.receive, exchange.send)
        self._count(inner, exchange.status or 499, time.perf_counter() - started_s)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._app_state.metrics.count(route, status, seconds)
        address, _ = scope.get("client") or ("-", 0)
        method = "HEAD" if is_head(scope) else scope["method"]
        _log.info("%s %s %r %d %.3f s", address, method, scope["path"], status, seconds)

    def _check(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        self._check_host(headers.get("host", ""))
        if path.startswith("/v1/") or path == "/metrics":
            _check_site(headers)
        if self._app_state.token is not None and not is_open(scope["method"], path):
            self._check_token(headers.get("authorization", ""))

    def _check_host(self, host: str) -> None:
        """Refuse names that are not ours: another site's name may have been made to point here."""
        name = re.sub(r":\d*$", "", host).lower().rstrip(".")
        if name not in self._hosts and not _is_address(name):
            raise HttpProblem(
                421,
                f"this server is not called {name[:60]!r}; use its address, or start it with "
                "--allow-host",
            )

    def _check_token(self, authorization: str) -> None:
        kind, _, token = authorization.partition(" ")
        expected = (self._app_state.token or "").encode()
        if kind.lower() != "bearer" or not any(
            hmac.compare_digest(given, expected) for given in _spellings(token.strip())
        ):
            raise HttpProblem(
                401,
                "the token is missing or wrong; send Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": 'Bearer realm="gpen"'},
            )


def _as_get(scope: Scope) -> Scope:
    """HEAD as GET; ASGI servers leave out the body."""
    return {**scope, "method": "GET", HEAD: True} if scope["method"] == "HEAD" else scope


def _spellings(token: str) -> Iterator[bytes]:
    """A token, which headers decode as Latin-1, as UTF-8: however the client has encoded it."""
    yield token.encode("latin-1", "replace")
    yield token.encode()
    yield unquote_to_bytes(token)  # the one way by which scripts in browsers can send all of them


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _check_site(headers: Headers) -> None:
    """Refuse what pages of other sites ask for, whether they could read the response or not."""
    origin = headers.get("origin")
    is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if origin is not None:
        try:
            is_foreign = urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        except ValueError:
            is_foreign = True
    if is_foreign:
        raise HttpProblem(403, "pages of other sites may not use this server")


def _problem_in_place_of(status: int, headers: MutableHeaders) -> bytes | None:
    """The body that says in JSON what a library would say in plain text; `headers` follow it."""
    if status < 400 or not headers.get("content-type", "text/plain").startswith("text/plain"):
        return None
    body = bytes(HttpProblem(status, HTTPStatus(status).description).to_response().body)
    headers["content-type"] = PROBLEM_TYPE
    headers["content-length"] = str(len(body))
    return body


class _Exchange:
    """One request and its response, observed.

    Attributes:
        status: Of the response, once it has begun.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self.status: int | None = None
        self._receive, self._send = receive, send
        self._has_body = True  # as far as is known
        self._replaced: bytes | None = None

    async def receive(self) -> Message:
        """What the client sends."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._has_body = False
        return message

    async def send(self, message: Message) -> None:
        """Send part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            self._replaced = _problem_in_place_of(self.status, headers)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
            if self._is_cut_short:
                headers["connection"] = "close"
        elif self._replaced is not None:
            message = {**message, "body": self._replaced, "more_body": False}
        if (
            message["type"] == "http.response.body"
            and self._is_cut_short
            and not message.get("more_body", False)
        ):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    @property
    def _is_cut_short(self) -> bool:
        """The response comes before the body has been read."""
        return self._has_body and (self.status or 0) >= 400

    async def _drain(self) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._read_on(), _DRAINED_S)

    async def _read_on(self) -> None:
        left = _DRAINED_BYTES
        while self._has_body and left > 0:
            message: dict[str, Any] = dict(await self.receive())
            left -= len(message.get("body", b""))
