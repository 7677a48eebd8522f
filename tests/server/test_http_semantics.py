"""HTTP as HTTP is: methods, validators, ranges, accepted types, names, caches, descriptions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest

from gpen.server.accepted_types import preferred
from support.image_files import save
from support.web_server import JSON, Running, Start, eventually

GRAY = save(np.full((30, 50, 3), 90, np.uint8), "PNG")
TEXTS = ["/", "/docs", "/openapi.json", "/v1/settings", "/v1/models", "/static/main.js"]


@pytest.fixture
def result(client: httpx.Client) -> str:
    """The address of a result of a photo without faces."""
    return str(client.post("/v1/restore", content=GRAY, headers=JSON).json()["result"]["url"])


@pytest.mark.parametrize("path", [*TEXTS, "/healthz", "/metrics", "/v1/videos"])
def test_head_is_get_without_a_body(client: httpx.Client, path: str) -> None:
    headers = {"Accept-Encoding": "identity"}
    full, short = client.get(path, headers=headers), client.head(path, headers=headers)
    assert (short.status_code, short.content) == (200, b"")
    assert short.headers["content-type"] == full.headers["content-type"]
    if path != "/metrics":
        assert short.headers["content-length"] == full.headers["content-length"]


@pytest.mark.parametrize("path", TEXTS)
def test_texts_are_compressed_and_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    assert first.headers.get("content-encoding") == "gzip" or len(first.content) < 500
    again = client.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_files_of_the_page_are_kept_for_ever_under_their_version(client: httpx.Client) -> None:
    import re

    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/").text)
    assert len(addresses) > 5
    for address in addresses:
        assert re.fullmatch(r"/static/[0-9a-f]{12}/[\w./]+", address)
        response = client.get(address)
        assert "immutable" in response.headers["cache-control"]
        name = address.split("/", 3)[3]
        plain = client.get(f"/static/{name}")
        assert (plain.content, plain.headers["cache-control"]) == (response.content, "no-cache")
    assert client.get("/static/0123456789ab/main.js").status_code == 404


def test_results_have_validators_and_ranges(client: httpx.Client, result: str) -> None:
    whole = client.get(result)
    known = {"If-None-Match": whole.headers["etag"]}
    assert client.get(result, headers=known).status_code == 304
    head = client.head(result)
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    part = client.get(result, headers={"Range": "bytes=2-5", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    beyond = client.get(result, headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416
    assert beyond.json()["status"] == 416
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("image/png, application/json", "image/png"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("image/webp", "image/webp"),
        ("image/webp;q=0.5, image/jpeg", "image/jpeg"),
        ("image/png;q=0, */*;q=0.1", "application/json"),
        ("IMAGE/WebP ; q=1.0", "image/webp"),
    ],
)
def test_the_accepted_type_is_sent(client: httpx.Client, accept: str, expected: str) -> None:
    response = client.post("/v1/restore", content=GRAY, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, expected)


@pytest.mark.parametrize(
    ("accept", "query"), [("text/html", ""), ("image/webp", "?format=png"), ("*/*;q=0", "")]
)
def test_nothing_that_is_accepted(client: httpx.Client, accept: str, query: str) -> None:
    response = client.post(f"/v1/restore{query}", content=GRAY, headers={"Accept": accept})
    assert response.status_code == 406
    assert "image/png" in response.json()["detail"]


def test_preference_of_damaged_headers() -> None:
    assert preferred(";;,q=1", ["a/b"]) is None
    assert preferred("a/b;q=x", ["a/b"]) == "a/b"


def test_unchanged_photo_comes_back_byte_for_byte(client: httpx.Client, demo_photo: Path) -> None:
    data = demo_photo.read_bytes()
    off = client.post("/v1/restore", content=data, params={"face_blend": "0=0"})
    assert off.content == data
    for change in ({"quality": 60}, {"strip": True}, {"format": "png"}, {"upscale": 2}):
        changed = client.post("/v1/restore", content=data, params={"face_blend": "0=0", **change})
        assert changed.status_code == 200
        assert changed.content != data


def test_camera_jpeg_is_not_taken_for_its_raw_file(client: httpx.Client, shared: Path) -> None:
    data = (shared / "cases/motion.jpg").read_bytes()
    response = client.post("/v1/restore", content=data, headers=JSON, params={"min_face": 9999})
    answer = response.json()
    assert answer["notes"] == []
    assert client.get(answer["result"]["url"]).content == data


@pytest.mark.parametrize("setting", ["faces=99", "faces=0,7", "face_blend=3=0.5"])
def test_faces_that_are_not_there(client: httpx.Client, demo_photo: Path, setting: str) -> None:
    response = client.post(f"/v1/restore?{setting}", content=demo_photo.read_bytes())
    assert response.status_code == 422
    assert "0 to 0" in response.json()["detail"]


@pytest.mark.parametrize("name", ['50% "neu".png', "写真 ü.png", "a'b;c=d.png"])
def test_names_come_back_as_they_were(client: httpx.Client, name: str) -> None:
    response = client.post("/v1/restore", files={"file": (name, GRAY)}, headers=JSON)
    result = response.json()["result"]
    expected = name.replace(".png", "_gpen.png")
    assert result["name"] == expected
    header = client.get(result["url"], params={"download": 1}).headers["content-disposition"]
    plain, _, extended = header.removeprefix("attachment; filename=").partition("; filename*=")
    assert plain.isascii()
    if extended:
        assert unquote(extended.removeprefix("UTF-8''")) == expected
    else:
        assert plain == f'"{expected}"'


@pytest.mark.parametrize(
    "spelled", ["süß-密".encode(), b"s%C3%BC%C3%9F-%E5%AF%86"], ids=["utf-8", "percent"]
)
def test_tokens_of_any_letters(start: Start, spelled: bytes) -> None:
    with start(token="süß-密").client() as client:  # noqa: S106
        right = [(b"Authorization", b"Bearer " + spelled)]
        assert client.get("/v1/models", headers=right).status_code == 200
        assert client.get("/v1/models").status_code == 401


def test_what_is_no_http_is_refused_as_a_problem(running: Running) -> None:
    with running.connect() as client:
        client.sendall(b"GET /\x00 HTTP/9\r\n\r\n")
        answer = b""
        while block := client.recv(9999):
            answer += block
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b'"status":400' in answer


def test_nobody_is_told_to_install_something(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert client.get("/healthz", headers=upgrade).status_code == 200
    assert "pip install" not in caplog.text


def test_access_log(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gpen.server"):
        client.head("/healthz?token=secret")
        assert eventually(lambda: "127.0.0.1 HEAD '/healthz' 200" in caplog.text)
    assert "secret" not in caplog.text


def test_description_names_tokens_servers_and_every_problem(client: httpx.Client) -> None:
    api = client.get("/openapi.json").json()
    assert api["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert api["servers"] == [{"url": "/", "description": "The server that this comes from"}]
    assert "HTTPValidationError" not in str(api)
    for path, operations in api["paths"].items():
        for operation in operations.values():
            answers: dict[str, Any] = operation["responses"]
            assert set(answers) >= {"401", "403", "421"}, path
            refusals = [one for status, one in answers.items() if status >= "400"]
            assert all("application/problem+json" in one["content"] for one in refusals)
    assert api["paths"]["/v1/settings"]["get"]["security"] == []
    assert "security" not in api["paths"]["/v1/restore"]["post"]


def test_request_that_is_sent_again_is_done_once(client: httpx.Client, demo_photo: Path) -> None:
    key = {"Idempotency-Key": "a-1", **JSON}
    data = demo_photo.read_bytes()
    first = client.post("/v1/restore", content=data, headers=key).json()
    assert client.post("/v1/restore", content=data, headers=key).json() == first
    other = client.post("/v1/restore?blend=0.5", content=data, headers=key)
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]
    new = client.post("/v1/restore", content=data, headers={**key, "Idempotency-Key": "a-2"})
    assert new.json()["result"]["id"] != first["result"]["id"]
    assert client.post("/v1/restore", headers={"Idempotency-Key": "a b"}).status_code == 400
    refused = {"Idempotency-Key": "a-3"}
    assert client.post("/v1/restore", content=b"<html>", headers=refused).status_code == 415
    assert client.post("/v1/restore", content=GRAY, headers=refused).status_code == 200
