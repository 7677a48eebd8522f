"""The uvicorn server around the application: sockets, idle clients, shutdown."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .state import AppState

_log = logging.getLogger("gpen.server")
#: Connections at the same time; more are answered 503.
CONNECTIONS = 1000
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

    def __init__(self, app: FastAPI) -> None:
        self.app_state: AppState = app.state.gpen
        config = uvicorn.Config(
            app,
            http=_protocol(self.app_state.limits.idle_s),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=CONNECTIONS,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell work to end, so that clients that wait hear of it; then close."""
        self.app_state.stop()
        await super().shutdown(sockets)


def _protocol(idle_s: float) -> type[asyncio.Protocol]:
    """HTTP of uvicorn, which waits for ever for heads of requests and for readers of responses."""

    class PatientProtocol(H11Protocol):
        """Closes connections on which nothing moves."""

        _watch: asyncio.TimerHandle | None = None
        _unsent, _moved, _waited = 0, False, False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch = self.loop.call_later(idle_s / 2, self._look)

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
