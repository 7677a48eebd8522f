"""Photos and videos that are kept for a visit, over HTTP."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

from support.web_server import Running, Start, eventually


def send(client: httpx.Client, path: Path, kind: str = "photos") -> Any:
    with path.open("rb") as file:
        answer = client.post(f"/v1/{kind}", files={"file": (path.name, file)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def image_of(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(PIL.Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)


def test_photo_is_sent_once_and_seen_before_and_after(
    client: httpx.Client, demo_photo: Path
) -> None:
    photo = send(client, demo_photo)
    assert photo["source"] == {
        "name": "demo.jpg", "width": 512, "height": 512, "format": "JPEG"
    }  # fmt: skip
    (face,) = photo["faces"]
    assert face["thumbnail"].startswith("data:image/jpeg")
    view = f"{photo['url']}/view"
    before, after = (image_of(client.get(view, params={"of": of})) for of in ("before", "after"))
    assert np.abs(after - before)[100:140, 200:240].mean() > 2
    assert np.abs(after - before)[300:].max() <= 2  # JPEG of the same pixels
    none = image_of(client.get(view, params={"blend": 0}))
    assert np.abs(none - before).max() <= 2


@pytest.mark.parametrize("upscale", [1, 2])
def test_view_is_composed_as_the_file_is(
    client: httpx.Client, demo_photo: Path, upscale: int
) -> None:
    photo = send(client, demo_photo)
    box = {"box": "150,40,310,200", "size": "160x160", "upscale": upscale}
    seen = image_of(client.get(f"{photo['url']}/view", params=box))
    made = client.post(f"{photo['url']}/file", params={"upscale": upscale, "format": "png"}).json()
    whole = PIL.Image.fromarray(image_of(client.get(made["url"])).astype(np.uint8))
    k = upscale
    part = whole.crop((150 * k, 40 * k, 310 * k, 200 * k)).resize((160, 160), PIL.Image.BOX)
    assert np.abs(seen - np.asarray(part).astype(int)).mean() < 1.5  # JPEG


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ("100,50,300,250", "400x400", (200, 200)),  # never more than there is
        ("100,50,300,250", "50x80", (50, 50)),
        ("0,0,9999,10", "100x100", (100, 2)),
    ],
)
def test_view_is_a_part_at_a_size(
    client: httpx.Client, demo_photo: Path, box: str, size: str, expected: tuple[int, int]
) -> None:
    photo = send(client, demo_photo)
    got = image_of(client.get(f"{photo['url']}/view", params={"box": box, "size": size}))
    assert got.shape[1::-1] == expected


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"box": "1,1,1,1"}, "empty"),
        ({"box": "1,2,3"}, "four numbers"),
        ({"size": "big"}, "640x480"),
        ({"of": "never"}, "before or after"),
        ({"blend": "2"}, "0 to 1"),
    ],
)
def test_view_that_means_nothing_is_refused(
    client: httpx.Client, demo_photo: Path, query: dict[str, str], told: str
) -> None:
    answer = client.get(f"{send(client, demo_photo)['url']}/view", params=query)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_enlarged_result_has_more_pixels_in_the_same_box(
    client: httpx.Client, demo_photo: Path
) -> None:
    photo = send(client, demo_photo)
    box = {"box": "100,50,300,250", "size": "1000x1000"}
    got = image_of(client.get(f"{photo['url']}/view", params={**box, "upscale": 2}))
    assert got.shape == (400, 400, 3)


@pytest.mark.parametrize(
    "options", [{"blend": 0.7}, {"aligned": "true"}, {"faces": "largest", "fusion": "false"}]
)
def test_file_is_that_of_restoring_at_once(
    client: httpx.Client, demo_photo: Path, options: dict[str, Any]
) -> None:
    photo = send(client, demo_photo)
    settings = {**options, "format": "png"}
    assert client.post(f"{photo['url']}/restore", params=settings).status_code == 200
    made = client.post(f"{photo['url']}/file", params=settings).json()
    assert made["name"] == "demo_gpen.png"
    with demo_photo.open("rb") as file:
        at_once = client.post("/v1/restore", files={"file": file}, params=settings)
    assert np.array_equal(image_of(client.get(made["url"])), image_of(at_once))


def test_what_became_of_the_faces_is_told(client: httpx.Client, demo_photo: Path) -> None:
    photo = send(client, demo_photo)
    restore = f"{photo['url']}/restore"
    told = client.post(restore, params={"similarity": "true", "blend": 0.5}).json()
    assert told["faces"][0]["restored"]
    assert told["faces"][0]["blend"] == 0.5
    assert 0.5 < told["faces"][0]["similarity"] < 1
    left = client.post(restore, params={"min_face": 400}).json()
    assert not left["faces"][0]["restored"]


def test_visit_outlives_the_server_until_it_expires(start: Start, demo_photo: Path) -> None:
    first = start()
    with first.client() as client:
        photo = send(client, demo_photo)
    first.stop()
    second = start()
    with second.client() as client:
        assert client.get(photo["url"]).json()["source"]["name"] == "demo.jpg"
        note = next(second.app_state.kept_files._folder.glob(f"{photo['id']}/about.json"))
        long_ago_s = time.time() - 2 * second.app_state.limits.keep_s
        os.utime(note, (long_ago_s, long_ago_s))
        second.app_state.kept_files.tidy()
        answer = client.get(photo["url"])
        assert answer.status_code == 404
        assert "sent again" in answer.json()["detail"]
    second.app_state.kept_files.remove(photo["id"])


@pytest.mark.parametrize("name", ["..", "x", "a" * 24, "%2e%2e%2fetc"])
def test_other_names_lead_nowhere(client: httpx.Client, name: str) -> None:
    assert client.get(f"/v1/photos/{name}").status_code == 404
    assert client.get(f"/v1/clips/{name}/source").status_code == 404


def test_photo_that_is_none_leaves_nothing(client: httpx.Client, running: Running) -> None:
    folder = running.app_state.kept_files._folder
    before = len(list(folder.glob("*")))
    assert client.post("/v1/photos", files={"file": b"no photo"}).status_code == 415
    assert client.post("/v1/clips", files={"file": b"no video"}).status_code == 415
    assert len(list(folder.glob("*"))) == before


def test_video_is_searched_tried_paused_and_restored(
    client: httpx.Client, write_clip: Callable[[int], Path]
) -> None:
    clip = send(client, write_clip(24), "clips")
    assert (clip["width"], clip["frames"], clip["fps"]) == (256, 24, 12)
    frame = client.post(f"{clip['url']}/frame", params={"at": 1}).json()
    assert frame["source"]["name"] == "walk 1 s.png"
    assert len(frame["faces"]) == 1
    searched = eventually(
        lambda: client.post(f"{clip['url']}/people").json()["state"] == "done", 60
    )
    assert searched
    (person,) = client.post(f"{clip['url']}/people").json()["people"]
    assert (person["track"], person["from_s"], person["to_s"]) == (1, 0, 2)
    job = client.post(f"{clip['url']}/restore", params={"faces": "track:1"}).json()
    assert client.post(f"{job['url']}/pause").json()["state"] == "paused"
    assert client.post(f"{job['url']}/pause").status_code == 409
    other = client.post(f"{clip['url']}/restore", params={"end_s": 0.5}).json()
    assert eventually(lambda: client.get(other["url"]).json()["state"] == "done", 60)
    assert client.get(job["url"]).json()["state"] == "paused"
    assert client.post(f"{job['url']}/resume").json()["state"] in ("queued", "running")
    assert eventually(lambda: client.get(job["url"]).json()["state"] == "done", 60)
    done = client.get(job["url"]).json()
    assert done["part"] == 1
    assert done["result"]["people"] == 1


def test_models_are_offered_with_their_licences_and_fetched_by_consent(
    client: httpx.Client,
) -> None:
    listed = client.get("/v1/offers").json()
    assert listed["can_fetch"]
    offer = next(one for one in listed["offers"] if one["name"] == "gpen_bfr_512")
    assert offer["licence"] == "non-commercial"
    assert not offer["is_here"]
    refused = client.post("/v1/offers/gpen_bfr_512")
    assert refused.status_code == 422
    assert "accept_licence" in refused.json()["detail"]
    assert client.post("/v1/offers/none", params={"accept_licence": "1"}).status_code == 422
    assert client.delete("/v1/offers/gpen_bfr_512").status_code == 404
