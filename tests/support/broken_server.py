"""A web server on this machine that misbehaves as it is told."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Plan:
    """What the server does with one path, request by request.

    Attributes:
        body: The file.
        etag: Its validator, or None.
        cuts: Bytes after which the first, second, … answer breaks off.
        codes: Status codes of the first, second, … answer instead of the file.
        ranges: Whether ranges are answered; else the whole file always is.
        wrong_range: Answer ranges with another one than was asked for.
        length: Whether the length is told.
        location: Redirects there.
        stall_s: Seconds without a byte in the middle of the first response.
    """

    body: bytes = b""
    etag: str | None = '"v1"'
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    ranges: bool = True
    wrong_range: bool = False
    length: bool = True
    location: str | None = None
    stall_s: float = 0.0


@dataclass
class Server:
    """Where it listens, what it does, and what it was asked."""

    url: str
    plans: dict[str, Plan] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def ranges(self) -> list[str | None]:
        """The ranges asked for, in order."""
        return [headers.get("Range") for _, headers in self.asked]


def _answer(handler: BaseHTTPRequestHandler, plan: Plan) -> None:
    if plan.location is not None:
        handler.send_response(302)
        handler.send_header("Location", plan.location)
        handler.end_headers()
        return
    if plan.codes:
        handler.send_error(plan.codes.pop(0))
        return
    start = _start(handler, plan)
    if start is not None and start >= len(plan.body):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(plan.body)}")
        handler.end_headers()
        return
    handler.send_response(200 if start is None else 206)
    if start is not None:
        told = start + 1 if plan.wrong_range else start
        handler.send_header("Content-Range", f"bytes {told}-{len(plan.body) - 1}/{len(plan.body)}")
    if plan.etag:
        handler.send_header("ETag", plan.etag)
    body = plan.body[start or 0 :]
    if plan.length:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if plan.stall_s:
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        pause, plan.stall_s = plan.stall_s, 0.0
        time.sleep(pause)
        return
    handler.wfile.write(body[: plan.cuts.pop(0)] if plan.cuts else body)


def _start(handler: BaseHTTPRequestHandler, plan: Plan) -> int | None:
    """Where the range begins that is to be answered; None for the whole file."""
    match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    if match is None or not plan.ranges or (condition and condition != plan.etag):
        return None
    return int(match[1])


@contextmanager
def serving() -> Iterator[Server]:
    """Run the server for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.path, dict(self.headers)))
            plan = server.plans.get(self.path, Plan(codes=[404]))
            with suppress(OSError):  # the client may have left
                _answer(self, plan)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
