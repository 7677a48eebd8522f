"""A real server on a free port, in a thread, for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gpen import Settings
from gpen.server import Limits, create_app


@dataclass
class Running:
    """A server that runs."""

    port: int
    app: Any
    server: Any
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def app_state(self) -> Any:
        return self.app.state.gpen

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def files(self) -> list[Path]:
        """Temporary files of the server."""
        return [p for p in self.app_state.folder.path.rglob("*") if p.is_file()]


JSON = {"Accept": "application/json"}
Start = Callable[..., Running]


def start_server(
    settings: Settings | None = None,
    *,
    token: str | None = None,
    webhook_hosts: Sequence[str] = (),
    **limits: Any,
) -> Running:
    from gpen.server.http_server import Server, listen

    limits = {"jobs": 2, **limits}
    app = create_app(
        settings, Limits(**limits), token=token, hosts=["gpen.test"], webhook_hosts=webhook_hosts
    )
    listener = listen("127.0.0.1", 0)
    server = Server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    return Running(listener.getsockname()[1], app, server, thread)


def eventually(holds: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Whether something becomes true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False
