"""Clips through the HTTP interface, and the end of the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from gpen.server.state import PrivateFolder
from support.web_server import JSON, Running, Start, eventually
from support.web_videos import make_clip, send

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", demo_photo, 8)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clips") / "long.mp4", demo_photo, 600)


def test_clip_from_upload_to_result(running: Running, client: httpx.Client, clip: bytes) -> None:
    job = send(client, clip, container="mkv", stabilise="0.5", face_blend="1=0.5")
    assert client.get(job["url"] + "/result").status_code in (200, 409)
    done = client.get(job["url"], params={"wait": 25}).json()
    assert (done["state"], done["error"], done["name"]) == ("done", None, "a clip.mp4")
    assert done["result"]["name"] == "a clip_gpen.mkv"
    assert (done["result"]["frames"], done["result"]["people"]) == (8, 1)
    whole = client.get(done["result_url"], params={"download": 1})
    assert len(whole.content) == done["result"]["bytes"]
    assert whole.headers["content-type"] == "video/x-matroska"
    part = client.get(done["result_url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert client.delete(job["url"]).status_code == 204
    assert client.get(job["url"]).status_code == 404
    assert not running.files()


def test_clips_wait_for_their_turn_and_can_be_cancelled(start: Start, long_clip: bytes) -> None:
    running = start(video_queue=2)
    with running.client() as client:
        first, second = send(client, long_clip), send(client, long_clip)
        assert eventually(lambda: client.get(first["url"]).json()["fps"])
        status = client.get(first["url"]).json()
        assert (status["state"], status["stage"], status["total"]) == ("running", "faces", 600)
        assert status["fps"] > 0
        assert status["eta_s"] > 0
        assert client.get(second["url"]).json()["position"] == 1
        full = client.post("/v1/videos", content=long_clip)
        assert (full.status_code, int(full.headers["retry-after"]) > 0) == (429, True)
        for job in (second, first):
            assert client.delete(job["url"]).status_code == 204
            assert client.get(job["url"], params={"wait": 9}).json()["state"] == "cancelled"
        assert eventually(lambda: not running.files())
        assert client.get(first["url"] + "/result").status_code == 409


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("aligned=1", "is for photos"),
        ("format=png", "is for photos"),
        ("at=1,2,30,40", "is for photos"),
        ("faces=whole", "is for photos"),
        ("frame_rate=5", "cannot be set by clients"),
        ("stabilise=2", "0 to 1"),
        ("crf=99", "0 to 63"),
        ("start_s=3&end_s=1", "more than start"),
        ("preset=a:b", "a word such as"),
        ("container=exe", "one of mp4"),
        ("container=webm&codec=h264", "webm"),
        ("faces=like:x", "on the server"),
    ],
)
def test_bad_settings_of_clips(
    running: Running, client: httpx.Client, clip: bytes, setting: str, words: str
) -> None:
    response = client.post(f"/v1/videos?{setting}", content=clip)
    assert response.status_code == 422, response.text
    assert words in response.json()["detail"].lower()
    assert not running.files()


def test_what_is_no_clip(running: Running, client: httpx.Client, demo_photo: Path) -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    for data in (b"<html>", playlist, demo_photo.read_bytes()):
        response = client.post("/v1/videos", files={"file": ("../x.mp4", data)})
        assert response.status_code == 415, response.text
        assert str(running.app_state.folder.path) not in response.text
    assert not running.files()


def test_long_and_large_clips_are_refused(start: Start, clip: bytes) -> None:
    with start(clip_s=0.2).client() as client:
        response = client.post("/v1/videos", content=clip)
        assert (response.status_code, "choose a part" in response.text) == (413, True)
        send(client, clip, end_s="0.1")
    with start(pixels=30_000).client() as client:
        assert client.post("/v1/videos?upscale=2", content=clip).status_code == 413


def test_stopping_says_so_to_those_who_wait(start: Start, long_clip: bytes) -> None:
    running, heard = start(), []
    with running.client() as client:
        running_job, waiting_job = send(client, long_clip), send(client, long_clip)
        assert eventually(lambda: client.get(running_job["url"]).json()["done"] > 1)

        def wait(job: dict[str, Any]) -> None:
            with running.client() as other:
                heard.append(other.get(job["url"], params={"wait": 25}).json()["state"])

        threads = [threading.Thread(target=wait, args=(job,)) for job in (running_job, waiting_job)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(running.server.server_state.tasks) == 2)
        running.stop()
        for thread in threads:
            thread.join(20)  # they would wait for longer
    assert heard == ["stopped", "stopped"]
    assert not running.app_state.folder.path.exists()


def test_stopping_while_photos_are_restored(
    start: Start, monkeypatch: pytest.MonkeyPatch, demo_photo: Path
) -> None:
    running, responses = start(jobs=1), []
    assert eventually(lambda: running.app_state.model_pool.is_loaded)
    monkeypatch.setattr("gpen.pipeline.Restorer.detect", lambda *_: time.sleep(0.5) or [])

    def ask() -> None:
        with running.client() as client:
            responses.append(client.post("/v1/restore", content=demo_photo.read_bytes()))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: running.app_state.request_queue.taken == 3)
    running.stop()
    for thread in threads:
        thread.join(5)
    assert [response.status_code for response in responses] == [503] * 3
    assert all("stopped" in response.json()["detail"] for response in responses)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_command_leaves_nothing_behind(
    how: signal.Signals, long_clip: bytes, warm_cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "compiled").symlink_to(warm_cache / "compiled")
    web = tmp_path / "web"
    code = "import typer; from gpen.cli.web import web; typer.run(web)"
    environment = {**os.environ, "GPEN_CACHE_DIR": str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "-c", code, "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split(" · ")[1]
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            job = send(client, long_clip)
            assert eventually(lambda: client.get(job["url"]).json()["done"] > 1)
        server.send_signal(how)
        _, errors = server.communicate(timeout=20)
    finally:
        server.kill()
    assert "Traceback" not in errors
    if how == signal.SIGINT:
        assert server.returncode == 0
    left = [path for path in web.glob("server-*") if path.is_dir()]
    if how == signal.SIGKILL:
        assert len(left) == 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GPEN_CACHE_DIR", str(tmp_path))
            folder = PrivateFolder()
        assert not left[0].exists()
        folder.remove()
    else:
        assert left == []


def test_port_that_is_taken(running: Running) -> None:
    from gpen import SettingsError
    from gpen.server.http_server import listen

    with pytest.raises(SettingsError, match="choose another"):
        listen("127.0.0.1", running.port)


def test_results_go_when_time_or_room_is_up(start: Start, demo_photo: Path) -> None:
    running = start(results_bytes=200_000)
    with running.client() as client:
        urls = [
            client.post("/v1/restore", content=demo_photo.read_bytes(), headers=JSON).json()[
                "result"
            ]["url"]
            for _ in range(4)
        ]
        assert [client.get(url).status_code for url in urls] == [404, 404, 200, 200]
        assert "needed its room" in client.get(urls[0]).json()["detail"]
    running = start(keep_s=0.2)
    with running.client() as client:
        response = client.post("/v1/restore", content=demo_photo.read_bytes(), headers=JSON).json()
        time.sleep(0.3)
        running.app_state.results.tidy()
        expired = client.get(response["result"]["url"])
        assert (expired.status_code, "has expired" in expired.text) == (404, True)
    assert not running.files()
