"""Who may ask the server: hosts, sites, tokens; clients that stand still, go, or are many."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from support.image_files import save
from support.web_server import Start, eventually

GRAY = save(np.full((30, 50, 3), 90, np.uint8), "PNG")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_other_hosts_are_refused(client: httpx.Client, host: str) -> None:
    response = client.get("/v1/settings", headers={"Host": host})
    assert response.status_code == 421
    assert "--allow-host" in response.json()["detail"]


@pytest.mark.parametrize(
    "host",
    ["localhost:7860", "127.0.0.1", "[::1]:80", "192.168.1.7:7860", "gpen.test", "LOCALHOST"],
)
def test_own_hosts_are_served(client: httpx.Client, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_pages_of_other_sites_are_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post("/v1/restore", content=GRAY, headers=headers)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


def test_own_page_is_served(client: httpx.Client) -> None:
    own = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    response = client.post("/v1/restore", content=GRAY, headers=own)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_token(start: Start) -> None:
    running = start(token="sesame-ü")  # noqa: S106
    with running.client() as client:
        for given in (None, "Bearer wrong", "Basic c2VzYW1l", "Bearer", "sesame"):
            headers = {} if given is None else {"Authorization": given}
            for path in ("/v1/models", "/metrics", "/v1/videos/x", "/v1/nothing"):
                response = client.get(path, headers=headers)
                assert response.status_code == 401, path
                assert response.headers["www-authenticate"].startswith("Bearer")
            assert client.post("/v1/restore", content=GRAY, headers=headers).status_code == 401
            assert client.delete("/v1/results/x", headers=headers).status_code == 401
        right = {"Authorization": "Bearer sesame-ü".encode()}
        assert client.get("/v1/models", headers=right).status_code == 200
        json = {"Accept": "application/json", **right}
        result = client.post("/v1/restore", content=GRAY, headers=json).json()["result"]
        assert client.get(result["url"]).status_code == 200  # its name is a secret
        assert client.get("/v1/settings").json()["needs_token"] is True
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../__init__.py", "/static/%2e%2e/limits.py", "/static/..%2f..%2ferrors.py",
        "/static//etc/passwd", "/v1/results/..%2f..%2fetc", "/v1/videos/%2e%2e/result",
        "/v1/results/x/file", "/%00", "/v1/results/%00",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code in (404, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_slow_upload_is_given_up(start: Start) -> None:
    running = start(idle_s=0.4)
    with running.connect() as slow:
        slow.sendall(b"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        response = slow.recv(9999)
        assert b" 408 " in response.split(b"\r\n")[0]
    assert eventually(lambda: running.app_state.request_queue.taken == 0)
    assert not running.files()


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost:"])
def test_connection_without_a_request_is_closed(start: Start, head: bytes) -> None:
    with start(idle_s=0.3).connect() as silent:
        silent.sendall(head)
        silent.settimeout(5)
        assert silent.recv(99) == b""


#: 15.6 MB as BMP, more than the system buffers.
LARGE = save(np.full((2000, 2600, 3), 90, np.uint8), "PNG")


def test_client_that_takes_no_answer_is_dropped(start: Start) -> None:
    running = start(idle_s=0.4)
    with running.connect() as client:
        head = f"Host: localhost\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        client.sendall(f"POST /v1/restore?format=bmp HTTP/1.1\r\n{head}".encode() + LARGE)
        connections = running.server.server_state.connections
        assert eventually(lambda: len(connections) == 1)
        assert eventually(lambda: not connections)
        got = 0
        while block := client.recv(1 << 20):
            got += len(block)
    assert got < 15_600_000


def test_slow_reader_gets_its_answer(start: Start) -> None:
    running, got = start(idle_s=0.4), 0
    with (
        running.client() as client,
        client.stream("POST", "/v1/restore?format=bmp", content=LARGE) as response,
    ):
        for block in response.iter_raw(chunk_size=1_000_000):
            got += len(block)
            time.sleep(0.06)
    assert got == int(response.headers["content-length"]) > 15_600_000


@pytest.mark.parametrize("path", ["/v1/restore", "/v1/videos"])
def test_cancelled_upload_frees_its_place(start: Start, path: str) -> None:
    running = start()
    for _ in range(3):
        with running.connect() as client:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
            client.sendall(head.encode() + b"x" * 3_000_000)
    assert eventually(
        lambda: (
            running.app_state.request_queue.taken == 0
            and not running.app_state.video_queue.states()
        )
    )
    assert eventually(lambda: not running.files())


def test_work_for_clients_that_went_is_skipped(
    start: Start, monkeypatch: pytest.MonkeyPatch, demo_photo: Path
) -> None:
    running = start(jobs=1)
    assert eventually(lambda: running.app_state.model_pool.is_loaded)
    go, looked_at = threading.Event(), []

    def waiting(_: Any, source: Any) -> list[Any]:
        looked_at.append(source)
        go.wait(10)
        return []

    monkeypatch.setattr("gpen.pipeline.Restorer.detect", waiting)
    data = demo_photo.read_bytes()
    head = f"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    clients = [running.connect() for _ in range(4)]
    for client in clients:
        client.sendall(head.encode() + data)
    assert eventually(lambda: running.app_state.request_queue.taken == 4 and len(looked_at) == 1)
    for client in clients:
        client.close()
    assert eventually(lambda: running.app_state.request_queue.taken == 0)
    go.set()
    time.sleep(0.2)
    assert len(looked_at) == 1


def test_many_clients_share_batches(start: Start, demo_photo: Path) -> None:
    running = start(jobs=4)
    data, responses = demo_photo.read_bytes(), []

    def ask() -> None:
        with running.client() as client:
            responses.append(client.post("/v1/restore?format=png", content=data))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [response.status_code for response in responses] == [200] * 8
    assert len({response.content for response in responses}) == 1


def test_metrics_count_requests_and_faces(client: httpx.Client, demo_photo: Path) -> None:
    client.post("/v1/restore", content=demo_photo.read_bytes())
    client.get("/no-such-path")
    text = client.get("/metrics").text
    assert 'gpen_requests_total{route="/v1/restore",status="200"}' in text
    assert 'gpen_requests_total{route="other",status="404"}' in text
    assert float(text.partition("\ngpen_faces_restored_total ")[2].split()[0]) >= 1
    assert "gpen_requests_in_progress 0.0" in text


def test_nothing_is_named_that_leads_off_the_machine(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert "http" not in page.replace("HTTP", "").replace("href", "").replace("<!doctype html>", "")
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) >= {"/v1/restore", "/v1/detect", "/v1/videos", "/v1/models"}
    assert "http" not in str(schema["servers"])
