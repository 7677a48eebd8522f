"""What the server says no to, and how: one line of problem JSON with the right status."""

from __future__ import annotations

import dataclasses
import errno
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gpen import Face, Settings, VideoSettings
from gpen.options import options_of
from support.image_files import bomb, save
from support.web_server import JSON, Start, eventually

GRAY = save(np.full((30, 50, 3), 90, np.uint8), "PNG")


def problem(response: httpx.Response, status: int) -> str:
    """The line of a response that is a problem of some status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    assert "\n" not in body["detail"]
    return str(body["detail"])


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"<!doctype html><html><body>no</body></html>", 415, "not a photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", 415,
         "not a photo"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "not a photo"),
        (GRAY[:60], 422, "damaged"),
        (bomb(60_000, 60_000), 413, "3600 million"),
        (b"\x89PNG\r\n\x1a\n", 415, "read"),
        (b"", 400, "empty"),
    ],
    ids=["html", "svg", "eps", "truncated", "bomb", "signature", "empty"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/restore", "/v1/detect"])
def test_bad_files(client: httpx.Client, path: str, data: bytes, status: int, words: str) -> None:
    for option_schema in ({"files": {"file": ("x.jpg", data)}}, {"content": data}):
        assert words in problem(client.post(path, **option_schema), status)  # type: ignore[arg-type]


def test_compression_bomb_of_real_pixels(start: Start) -> None:
    data = save(np.zeros((3000, 3000, 3), np.uint8), "PNG")
    assert len(data) < 200_000
    with start(pixels=1_000_000).client() as client:
        assert "9 million" in problem(client.post("/v1/restore", content=data), 413)
    with start(pixels=10_000_000).client() as client:
        response = client.post("/v1/restore?upscale=2", content=data)
        assert "enlarged 2 times" in problem(response, 413)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("blend=1.5", "blend is 1.5"),
        ("blend=nan", "expected a number"),
        ("min_face=inf", "expected a number"),
        ("upscale=3", "expected 1, 2 or 4"),
        ("upscale=0x2", "expected a integer"),
        ("match_color=maybe", "true or false"),
        ("faces=like:/etc/passwd", "on the server"),
        ("faces=track:1", "is for videos"),
        ("faces=" + "9" * 900, "more digits"),
        ("face_blend=0=2", "face_blend"),
        ("format=exe", "not a format"),
        ("quality=0", "1 to 100"),
        ("model=../../etc/passwd", "no model"),
        ("model=/etc/passwd", "no model"),
        ("device=cuda", "cannot be set by clients"),
        ("models_dir=/", "cannot be set by clients"),
        ("detector=/etc/passwd", "cannot be set by clients"),
        ("stabilise=0.5", "is for videos"),
        ("colour=1", "unknown setting"),
        ("blend=1&blend=0", "twice"),
        ("keep=nose", "keep has nose"),
        ("keep=" + "x" * 2000, "too long"),
        ("keep=a%00b", "control characters"),
        ("image=none", "url or base64"),
    ],
)  # fmt: skip
def test_bad_settings(client: httpx.Client, setting: str, words: str) -> None:
    assert words in problem(client.post(f"/v1/restore?{setting}", content=GRAY), 422)


def test_a_path_that_exists_is_no_model(
    client: httpx.Client, negative_model: Path, demo_photo: Path
) -> None:
    response = client.post(
        "/v1/restore", params={"model": str(negative_model)}, content=demo_photo.read_bytes()
    )
    assert "no model" in problem(response, 422)


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"--x\r\n", "multipart/form-data", 400, "no boundary"),
        (b"nonsense", "multipart/form-data; boundary=x", 400, "damaged"),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
         "multipart/form-data; boundary=x", 400, "cut short"),
        (b'--x\r\nContent-Disposition: form-data; name="blend"\r\n\r\n1\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 400, "no file"),
        (b'--x\r\nContent-Disposition: form-data; name="mask"; filename="a"\r\n\r\n1\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 400, "not called 'file'"),
        (b'--x\r\nContent-Disposition: form-data; name="blend"\r\n\r\n\xff\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 400, "UTF-8"),
        (b"--x\r\nA: " + b"b" * 10_000, "multipart/form-data; boundary=x", 400, "damaged"),
        (b'--x\r\nContent-Disposition: form-data; name="keep"\r\n\r\n' + b"e" * 10_000,
         "multipart/form-data; boundary=x", 413, "too long"),
        (b"{}", "application/json", 415, "multipart"),
        (b"<p>", "text/html", 415, "multipart"),
    ],
)  # fmt: skip
def test_bad_bodies(client: httpx.Client, body: bytes, kind: str, status: int, words: str) -> None:
    response = client.post("/v1/restore", content=body, headers={"Content-Type": kind})
    assert words in problem(response, status)


def test_second_file_is_refused(client: httpx.Client) -> None:
    files = [("file", ("a.png", GRAY)), ("file", ("b.png", GRAY))]
    assert "one at a time" in problem(client.post("/v1/restore", files=files), 400)


@pytest.mark.parametrize("path", ["/v1/restore", "/v1/videos"])
def test_large_bodies_are_refused_by_length_and_while_they_come(start: Start, path: str) -> None:
    running = start(photo_bytes=100_000, video_bytes=100_000)
    data = b"x" * 600_000
    with running.client() as client:
        assert "limit of" in problem(client.post(path, content=data), 413)
        assert "limit of" in problem(client.post(path, content=iter([data[:9], data])), 413)
        assert "limit of" in problem(client.post(path, files={"file": ("a", data)}), 413)
    assert not running.files()


def test_too_many_faces(start: Start, portrait: Path) -> None:
    import cv2

    small = cv2.resize(cv2.imread(str(portrait)), (96, 96), interpolation=cv2.INTER_AREA)
    collage = save(np.tile(small, (6, 6, 1))[..., ::-1], "PNG")
    with start(faces=10).client() as client:
        response = client.post("/v1/restore", content=collage)
        assert "more than the limit of 10" in problem(response, 422)
        chosen = client.post("/v1/restore?faces=0,1", content=collage)
        assert chosen.headers["x-gpen-restored"] == "2"
        assert int(chosen.headers["x-gpen-faces"]) > 10


def test_collage_of_ten_thousand_faces(
    start: Start, monkeypatch: pytest.MonkeyPatch, portrait: Path
) -> None:
    running = start()
    face = Face((10.0, 10.0, 30.0, 30.0), np.full((5, 2), 20.0), 0.9)
    monkeypatch.setattr("gpen.pipeline.Restorer.detect", lambda *_: [face] * 10_000)
    with running.client() as client:
        response = client.post("/v1/restore", content=portrait.read_bytes())
        assert "10000 faces" in problem(response, 422)
        found = client.post("/v1/detect?thumbnails=1", content=portrait.read_bytes()).json()
    assert len(found["faces"]) == 10_000
    assert sum(one["thumbnail"] is not None for one in found["faces"]) == 200


def test_full_queue_says_when_to_come_back(start: Start) -> None:
    running = start(queue=1)
    with running.client() as client, running.connect() as other:
        other.sendall(b"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        assert eventually(lambda: running.app_state.request_queue.taken == 1)
        response = client.post("/v1/restore", content=GRAY)
        assert "try again" in problem(response, 429)
        assert int(response.headers["retry-after"]) >= 1
        other.close()
        assert eventually(lambda: running.app_state.request_queue.taken == 0)
        assert client.post("/v1/restore", content=GRAY).status_code == 200


def test_full_disk_is_said_and_nothing_stays(
    start: Start, monkeypatch: pytest.MonkeyPatch, demo_photo: Path
) -> None:
    def write_bytes(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    running = start()
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with running.client() as client:
        response = client.post("/v1/restore", content=demo_photo.read_bytes(), headers=JSON)
        assert "disk of the server is full" in problem(response, 503)
        assert response.headers["retry-after"]
        assert not running.files()
        monkeypatch.undo()
        assert client.post("/v1/restore", content=demo_photo.read_bytes()).status_code == 200


@pytest.mark.parametrize("path", ["/v1/restore", "/v1/videos"])
def test_full_disk_while_a_file_comes(
    start: Start, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def write(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    running = start()
    monkeypatch.setattr("gpen.server.uploads.Uploads.write", write)
    with running.client() as client:
        assert "disk" in problem(client.post(path, content=GRAY), 503)
    assert not running.files()


def test_photo_that_takes_too_long(
    start: Start, monkeypatch: pytest.MonkeyPatch, demo_photo: Path
) -> None:
    running = start(photo_s=2)
    begun, answered = threading.Event(), threading.Event()

    def slow(*_: Any) -> Any:
        begun.set()
        answered.wait(20)
        return []

    with running.client() as client:
        assert eventually(lambda: running.app_state.model_pool.is_loaded)
        monkeypatch.setattr("gpen.pipeline.Restorer.detect", slow)
        response = client.post("/v1/restore", content=demo_photo.read_bytes())
        assert "took longer than 2 s" in problem(response, 504)
        assert begun.is_set()
        answered.set()


def test_unexpected_errors_are_answered_and_the_server_lives(
    start: Start, monkeypatch: pytest.MonkeyPatch, demo_photo: Path
) -> None:
    running = start()

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    with running.client() as client:
        with monkeypatch.context() as patch:
            patch.setattr("gpen.pipeline.Restorer.detect", broken)
            response = client.post("/v1/restore", content=demo_photo.read_bytes())
            assert "secret" not in problem(response, 500)
        assert client.post("/v1/restore", content=demo_photo.read_bytes()).status_code == 200


def test_every_setting_is_offered_or_said_not_to_be(client: httpx.Client) -> None:
    response = client.get("/v1/settings").json()
    for key, kind in (("photo", Settings), ("video", VideoSettings)):
        rows = response[key]
        assert [row["name"] for row in rows] == [f.name for f in dataclasses.fields(kind)]
        for row in rows:
            assert row["help"].endswith("."), row
            assert row["settable"] != bool(row["reason"]), row


def test_settings_and_schema_follow_the_table(client: httpx.Client) -> None:
    response = client.get("/v1/settings").json()
    paths = client.get("/openapi.json").json()["paths"]
    for key, kind, path in (
        ("photo", Settings, "/v1/restore"),
        ("video", VideoSettings, "/v1/videos"),
    ):
        declared = {one["name"]: one for one in paths[path]["post"]["parameters"]}
        for row in response[key]:
            option = options_of(kind)[row["name"]]
            for name in ("label", "help", "group", "unit", "minimum", "maximum", "nullable"):
                assert row[name] == getattr(option, name)
            assert row["reason"] == option.reasons.get("http", "")
            assert tuple(row["choices"] or ()) == option.choices
            assert set(row["names"]) == {str(choice) for choice in option.choices}
            assert tuple(row["ends"] or ()) == (option.ends or ())
            assert (option.name in declared) == row["settable"]
            if row["settable"]:
                assert declared[option.name]["description"] == option.help
                schema = declared[option.name]["schema"]
                assert (schema.get("minimum"), schema.get("maximum")) == (
                    option.minimum,
                    option.maximum,
                )
                if option.kind == "choice":
                    assert tuple(schema["enum"]) == option.choices


def test_every_settable_field_can_be_sent(client: httpx.Client) -> None:
    rows = client.get("/v1/settings").json()["photo"]
    values = {
        row["name"]: "" if row["default"] is None else str(row["default"]).lower()
        for row in rows
        if row["settable"]
    }
    response = client.post("/v1/restore", content=GRAY, params=values)
    assert response.status_code == 200, response.text
