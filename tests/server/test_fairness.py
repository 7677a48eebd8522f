"""What one client cannot do to the others: slow files, slow uploads, all places, all turns."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gpen.errors import ReadError
from gpen.server import Limits
from gpen.server.decode_process import Decoder
from gpen.server.fair_pool import FairPool
from gpen.server.http_problems import HttpProblem
from support.web_server import Running, Start, eventually

linux = pytest.mark.skipif(sys.platform != "linux", reason="other addresses of this machine")


@pytest.fixture(scope="module")
def slow_photo(shared: Path) -> bytes:
    """81 million pixels in 99 scans, as many as gpen lets pass: half a minute to decode."""
    data = (shared / "cases/scans.jpg").read_bytes()
    starts = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    return data[: starts[99]] + b"\xff\xd9"


def head(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def sending(running: Running, data: bytes, *, address: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(
        ("127.0.0.1", running.port), timeout=20, source_address=(address, 0)
    )
    connection.sendall(head("/v1/restore", len(data)) + data)
    return connection


def decoding(running: Running) -> list[Path]:
    """Folders of photos that are being decoded."""
    return list(running.app_state.folder.path.glob("photo-*"))


def test_decoding_ends_when_the_client_goes(
    start: Start, slow_photo: bytes, demo_photo: Path
) -> None:
    running = start(jobs=1)
    assert eventually(lambda: running.app_state.model_pool.is_loaded, 30)
    with sending(running, slow_photo):
        assert eventually(lambda: decoding(running))
    assert eventually(lambda: not decoding(running))
    with running.client() as client:
        assert client.post("/v1/restore", content=demo_photo.read_bytes()).status_code == 200


def test_decoding_ends_when_time_is_up(start: Start, slow_photo: bytes) -> None:
    running = start(decode_s=1)
    with running.client() as client:
        response = client.post("/v1/restore", content=slow_photo)
    assert response.status_code == 504
    assert "decoding the photo took longer than 1 s" in response.json()["detail"]
    assert not decoding(running)


class _Crash:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def test_a_decoder_that_crashes_costs_one_photo(
    tmp_path: Path, demo_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(tmp_path, Limits())
    try:
        with demo_photo.open("rb") as file:
            image = decoder.decode(file, lambda: None, max_pixels=10**9)
            with monkeypatch.context() as patch:
                patch.setattr("gpen.server.decode_process._source", lambda *_: _Crash())
                with pytest.raises(ReadError, match="its decoder crashed"):
                    decoder.decode(file, lambda: None, max_pixels=10**9)
            again = decoder.decode(file, lambda: None, max_pixels=10**9)
    finally:
        decoder.stop()
    assert (image.pixels == again.pixels).all()
    assert not list(tmp_path.iterdir())


def test_upload_slower_than_the_least_rate_is_given_up(start: Start) -> None:
    running = start(idle_s=0.5, upload_rate=1000)
    with running.connect() as slow:
        slow.sendall(head("/v1/restore", 9999))
        response = b""
        slow.settimeout(0.1)
        until = time.monotonic() + 10
        while not response and time.monotonic() < until:
            slow.sendall(b"x")
            try:
                response = slow.recv(9999)
            except TimeoutError:
                continue
        slow.settimeout(10)
        while more := slow.recv(9999):
            response += more
    assert b" 408 " in response.split(b"\r\n")[0]
    assert b"too slow" in response


@linux
def test_one_address_does_not_take_all_places(start: Start, demo_photo: Path) -> None:
    running = start(queue=4)
    unfinished = head("/v1/restore", 99) + b"x"
    slow = [
        socket.create_connection(("127.0.0.1", running.port), source_address=("127.0.0.2", 0))
        for _ in range(4)
    ]
    for connection in slow:
        connection.sendall(unfinished)
    assert eventually(lambda: running.app_state.request_queue.taken == 3)
    refused = [connection for connection in slow if _answer(connection)]
    assert len(refused) == 1
    with running.client() as client:
        assert client.post("/v1/restore", content=demo_photo.read_bytes()).status_code == 200
    for connection in slow:
        connection.close()


def _answer(connection: socket.socket) -> bool:
    connection.settimeout(0.5)
    try:
        return b" 429 " in connection.recv(99)
    except TimeoutError:
        return False


def test_visitors_take_turns() -> None:
    pool, go, order = FairPool(1, "test"), threading.Event(), list[str]()

    def work(name: str) -> None:
        go.wait(10)
        order.append(name)

    futures = [pool.submit("a", lambda: work("a1"))]
    assert eventually(futures[0].running)
    names = [("a", "a2"), ("a", "a3"), ("a", "a4"), ("b", "b1"), ("c", "c1")]
    futures += [pool.submit(visitor, partial(work, name)) for visitor, name in names]
    futures[2].cancel()
    assert [futures.index(one) for one in pool.order()] == [1, 4, 5, 3]
    go.set()
    assert eventually(lambda: len(order) == 5)
    assert order == ["a1", "a2", "b1", "c1", "a4"]
    pool.stop()
    with pytest.raises(RuntimeError):
        pool.submit("a", lambda: None)


def test_what_is_no_photo_is_refused_before_its_turn(
    start: Start, monkeypatch: pytest.MonkeyPatch, demo_photo: Path
) -> None:
    running, go = start(jobs=1), threading.Event()
    assert eventually(lambda: running.app_state.model_pool.is_loaded)
    monkeypatch.setattr("gpen.pipeline.Restorer.detect", lambda *_: go.wait(20) and [])
    with sending(running, demo_photo.read_bytes()):
        assert eventually(lambda: running.app_state.request_queue.taken == 1)
        with running.client() as client:
            assert client.post("/v1/restore", content=b"<html>").status_code == 415
        go.set()


def test_problems_of_processes_come_through() -> None:
    import pickle

    sent = pickle.dumps(HttpProblem(413, "too large", headers={"A": "b"}))
    problem: Any = pickle.loads(sent)  # noqa: S301
    assert (problem.status, problem.detail, problem.headers) == (413, "too large", {"A": "b"})


def test_connections_of_one_address_are_bounded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpen.server.http_server.CONNECTIONS", 4)
    running = start()
    idle = [running.connect() for _ in range(3)]
    assert eventually(lambda: len(running.server.server_state.connections) == 3)
    with running.client() as client:
        response = client.get("/healthz")
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        for connection in idle:
            connection.close()
        assert eventually(lambda: not running.server.server_state.connections)
        assert client.get("/healthz").status_code == 200
