"""Texts that clients ask for again and again: compressed, and not sent where they are known."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TEXTS = ("/", "/docs", "/openapi.json", "/v1/settings", "/v1/models")
_STATIC = "/static/"


class TextMiddleware:
    """Compresses the texts of the server; the others, which are files of images, pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app)
        self._known = GZipMiddleware(_KnownTexts(app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        path = scope.get("path", "")
        app: ASGIApp = self._app
        if path in _TEXTS:
            app = self._known
        elif path.startswith(_STATIC):  # whose server knows `If-None-Match` itself
            app = self._compressed
        await app(scope, receive, send)


class _KnownTexts:
    """Answers 304 where the client has the text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = Headers(scope=scope).get("if-none-match", "")
        await self._app(scope, receive, _tagging(send, known))


def _tagging(send: Send, known: str) -> Send:
    """A `send` that gives texts an ETag, weak because they may be compressed."""
    started: Message = {}

    async def tagged(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
            return
        if not started:  # more of a long body
            await send(message)
            return
        headers = MutableHeaders(scope=started)
        if started["status"] == 200 and not message.get("more_body", False):
            tag = f'W/"{hashlib.sha256(message["body"]).hexdigest()[:24]}"'
            headers["ETag"] = tag
            headers.setdefault("Cache-Control", "no-cache")
            if tag in [one.strip() for one in known.split(",")]:
                started["status"] = 304
                del headers["Content-Length"]
                message = {**message, "body": b""}
        start = dict(started)
        started.clear()
        await send(start)
        await send(message)

    return tagged
