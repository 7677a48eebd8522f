"""Video jobs that are left, found again, followed and told of; videos that are too much."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.web_server import Start, eventually
from support.web_videos import make_clip, send

pytest.importorskip("av")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", demo_photo, 3)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clips") / "long.mp4", demo_photo, 600)


def test_visitors_find_their_own_jobs_again(start: Start, long_clip: bytes) -> None:
    running = start()
    with running.client() as client, running.client() as other:
        jobs = [send(client, long_clip)["id"] for _ in range(2)]
        assert "gpen_visitor" in client.cookies
        listed = client.get("/v1/videos").json()["videos"]
        assert [job["id"] for job in listed] == jobs[::-1]
        assert other.get("/v1/videos").json() == {"videos": []}
        foreign = {"Cookie": "gpen_visitor="}
        assert other.get("/v1/videos", headers=foreign).json() == {"videos": []}


def test_job_that_nobody_asks_for_ends(start: Start, long_clip: bytes) -> None:
    running = start(unheard_s=1)
    with running.client() as client:
        left, asked = send(client, long_clip), send(client, long_clip)
        videos = running.app_state.video_queue

        def tidied() -> bool:
            client.get(asked["url"])
            videos.tidy()
            return videos._jobs[left["id"]].state == "cancelled"

        assert eventually(tidied)
        status = client.get(left["url"]).json()
        assert "nobody asked" in status["error"]["detail"]
        assert client.get(asked["url"]).json()["state"] in ("queued", "running")


def test_too_many_frames(start: Start, long_clip: bytes) -> None:
    with start(clip_frames=100).client() as client:
        response = client.post("/v1/videos", content=long_clip)
        assert response.status_code == 413
        assert "600 frames" in response.json()["detail"]
        send(client, long_clip, end_s="2")


def test_one_address_does_not_take_the_whole_queue(start: Start, long_clip: bytes) -> None:
    with start(video_queue=4).client() as client:
        for _ in range(3):
            send(client, long_clip)
        refused = client.post("/v1/videos", content=long_clip)
        assert (refused.status_code, "your address" in refused.text) == (429, True)


def test_progress_comes_as_events(start: Start, clip: bytes) -> None:
    with start().client() as client:
        job = send(client, clip)
        events = [("", "")]
        with client.stream("GET", job["url"] + "/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in response.iter_lines() if line]
        events = list(zip(lines[::2], lines[1::2], strict=True))
        assert {name for name, _ in events[:-1]} <= {"event: progress"}
        assert events[-1][0] == "event: end"
        assert json.loads(events[-1][1].removeprefix("data: "))["state"] == "done"
        assert client.head(job["url"] + "/events").status_code == 200
        assert client.get("/v1/videos/none/events").status_code == 404


def test_video_that_is_sent_again_is_one_job(start: Start, long_clip: bytes) -> None:
    with start().client() as client:
        key = {"Idempotency-Key": "k"}
        first, again = (client.post("/v1/videos", content=long_clip, headers=key) for _ in range(2))
        assert first.json() == again.json()
        assert again.headers["location"] == first.json()["url"]
        assert len(client.get("/v1/videos").json()["videos"]) == 1


@pytest.fixture
def heard() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Where to call, and what was called; the first call is answered with an error."""
    calls: list[tuple[dict[str, str], bytes]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204 if len(calls) > 1 else 500)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", calls
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhook_tells_of_the_end(
    start: Start, clip: bytes, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpen.server.webhooks._PAUSES_S", (0, 0))
    host, calls = heard
    running = start(token="sesame", webhook_hosts=[host])  # noqa: S106
    with running.client(headers={"Authorization": "Bearer sesame"}) as client:
        job = send(client, clip, webhook=f"http://{host}/done")
        assert eventually(lambda: len(calls) == 2, 30)
    headers, body = calls[1]
    assert body == calls[0][1]
    status = json.loads(body)
    assert (status["id"], status["state"]) == (job["id"], "done")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(b"sesame", signed, hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "file:///etc/passwd", "http://[x", "x"]
)
def test_webhooks_go_nowhere_else(client: httpx.Client, clip: bytes, url: str) -> None:
    response = client.post("/v1/videos", content=clip, params={"webhook": url})
    assert response.status_code == 422
    assert "webhook" in response.json()["detail"]
