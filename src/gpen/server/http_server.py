"""The uvicorn server around the application: sockets, idle clients, shutdown."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import SettingsError
from .http_problems import RETRY_S, HttpProblem
from .visitors import share_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .state import AppState

_log = logging.getLogger("gpen.server")
#: Connections at the same time, three quarters of them from one address; more are answered 503.
CONNECTIONS = 1000
#: Seconds for whoever cannot be served to ask, and to be told so.
_CROWDED_S = 2
#: Seconds for requests to end when the server is stopped.
GRACE_S = 3


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve on.

    Args:
        host: An address or name of this machine.
        port: 0 takes one that is free.

    Raises:
        SettingsError: The address is not ours, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"cannot listen on {host} port {port} ({reason.lower()}); choose another --host or "
            "--port"
        ) from None


class Server(uvicorn.Server):
    """Serves the application until it is told to stop; then nothing new begins."""

    def __init__(self, app: FastAPI, *, proxy: str | None = None) -> None:
        """Serve an application.

        Args:
            app: From `create_app`.
            proxy: The address of a proxy that is believed whom it speaks for.
        """
        self.app_state: AppState = app.state.gpen
        config = uvicorn.Config(
            app,
            http=_protocol(self.app_state.limits.idle_s, has_proxy=proxy is not None),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=proxy is not None,
            forwarded_allow_ips=proxy,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_S,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell work to end, so that clients that wait hear of it; then close."""
        self.app_state.stop()
        await super().shutdown(sockets)


def _protocol(idle_s: float, *, has_proxy: bool) -> type[asyncio.Protocol]:
    """HTTP of uvicorn, which waits for ever for heads of requests and for readers of responses."""

    class PatientProtocol(H11Protocol):
        """Closes connections on which nothing moves, or of which there are too many."""

        _watch: asyncio.TimerHandle | None = None
        _unsent, _moved, _waited = 0, False, False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if _is_crowded(self.connections, None if has_proxy else self.client):
                self.app = _crowded
                self.connections.discard(self)  # it takes no place
                self.loop.call_later(_CROWDED_S, transport.abort)
            self._watch = self.loop.call_later(idle_s / 2, self._look)

        def send_400_response(self, msg: str) -> None:
            problem = HttpProblem(400, msg, headers={"Connection": "close"}).to_response()
            head = h11.Response(status_code=400, headers=problem.raw_headers, reason="Bad Request")
            for event in (head, h11.Data(data=bytes(problem.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
            self.transport.close()

        def _should_upgrade(self) -> bool:
            return False  # and nobody is told to install something for it

        def connection_lost(self, exc: Exception | None) -> None:
            if self._watch is not None:
                self._watch.cancel()
            super().connection_lost(exc)

        def resume_writing(self) -> None:
            self._moved = True
            super().resume_writing()

        def _look(self) -> None:
            """Has the client sent a head, and does it take what it is sent?"""
            unsent = self.transport.get_write_buffer_size()
            is_stuck = unsent > 0 and unsent == self._unsent and not self._moved
            is_between = self.cycle is None or self.cycle.response_complete
            waits = is_between and not unsent and self.timeout_keep_alive_task is None
            if is_stuck:
                self.transport.abort()
            elif waits and self._waited:
                self.transport.close()
            self._unsent, self._moved, self._waited = unsent, False, waits
            self._watch = self.loop.call_later(idle_s / 2, self._look)

    return PatientProtocol


def _is_crowded(connections: Collection[Any], client: tuple[str, int] | None) -> bool:
    """Whether there are too many connections, from everywhere or from where a new one comes."""
    if len(connections) > CONNECTIONS:
        return True
    if client is None or len(connections) <= share_of(CONNECTIONS):
        return False
    own = sum(other.client is not None and other.client[0] == client[0] for other in connections)
    return bool(own > share_of(CONNECTIONS))


async def _crowded(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers whoever cannot be served now."""
    problem = HttpProblem(
        503,
        "there are too many connections; try again in some seconds",
        headers={"Retry-After": str(RETRY_S), "Connection": "close"},
    )
    await problem.to_response()(scope, receive, send)
