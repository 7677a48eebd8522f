"""Photos through the HTTP interface, as a client sends them."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

import gpen
from gpen import Settings
from support.image_files import save, tiff
from support.web_server import JSON, Start


def image(data: bytes) -> np.ndarray:
    with PIL.Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


def post(client: httpx.Client, photo: bytes, path: str = "/v1/restore", **options: Any) -> Any:
    return client.post(path, files={"file": ("a photo.png", photo)}, **options)


def test_form_gives_the_photo_that_python_gives(client: httpx.Client, demo_photo: Path) -> None:
    response = client.post(
        "/v1/restore",
        files={"file": ("old.jpg", demo_photo.read_bytes())},
        data={"blend": "0.7", "format": "png"},
    )
    expected = gpen.restore(demo_photo, blend=0.7).image
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == 'inline; filename="old_gpen.png"'
    assert (response.headers["x-gpen-faces"], response.headers["x-gpen-restored"]) == ("1", "1")
    np.testing.assert_array_equal(image(response.content), expected)


def test_raw_body_takes_settings_from_the_query(client: httpx.Client, demo_photo: Path) -> None:
    response = client.post(
        "/v1/restore?upscale=2&name=old.jpg", content=demo_photo.read_bytes(),
        headers={"Content-Type": "image/jpeg"},
    )  # fmt: skip
    assert response.headers["content-type"] == "image/jpeg"
    assert 'filename="old_gpen.jpg"' in response.headers["content-disposition"]
    assert image(response.content).shape == (1024, 1024, 3)


def test_json_tells_of_the_faces_and_keeps_the_photo(
    client: httpx.Client, photo_with_two_faces: Path
) -> None:
    response = post(
        client, photo_with_two_faces.read_bytes(), headers=JSON,
        data={"face_blend": "1=0.5", "faces": "1", "fusion": "false"},
        params={"previews": "true", "thumbnails": "true"},
    ).json()  # fmt: skip
    assert [face["restored"] for face in response["faces"]] == [False, True]
    assert [face["blend"] for face in response["faces"]] == [1.0, 0.5]
    assert all(face["thumbnail"].startswith("data:image/jpeg;") for face in response["faces"])
    assert response["source"] == {
        "name": "a photo.png",
        "width": 768,
        "height": 512,
        "format": "PNG",
    }
    result = response["result"]
    kept = client.get(result["url"], params={"download": 1})
    assert kept.headers["content-disposition"].startswith("attachment")
    assert len(kept.content) == result["bytes"]
    before, after = (image(client.get(result[f"{p}_url"]).content) for p in ("before", "after"))
    assert before.shape == after.shape == (512, 768, 3)
    assert np.abs(before.astype(int) - after)[:, 512:].max() > 20
    assert client.delete(result["url"]).status_code == 204
    assert client.get(result["url"]).status_code == 404


def test_json_can_hold_the_photo_itself(client: httpx.Client, demo_photo: Path) -> None:
    response = post(client, demo_photo.read_bytes(), headers=JSON, data={"image": "base64"}).json()
    assert response["result"]["url"] is None
    data = base64.b64decode(response["image_base64"])
    assert len(data) == response["result"]["bytes"]
    np.testing.assert_array_equal(image(data).shape, (512, 512, 3))


def test_a_face_is_turned_off_by_a_blend_of_zero(client: httpx.Client, demo_photo: Path) -> None:
    response = post(client, demo_photo.read_bytes(), data={"face_blend": "0=0", "format": "png"})
    np.testing.assert_array_equal(image(response.content), image(demo_photo.read_bytes()))


def test_tiff_of_16_bits_comes_back_deep_and_can_be_shown(client: httpx.Client) -> None:
    samples = np.random.default_rng(0).integers(0, 65535, (40, 60, 4), dtype=np.uint16)
    response = post(client, tiff(samples), headers=JSON, data={"previews": "1"}).json()
    assert response["result"]["media_type"] == "image/tiff"
    data = client.get(response["result"]["url"]).content
    np.testing.assert_array_equal(gpen.Restorer().restore(data).image, samples)
    assert image(client.get(response["result"]["after_url"]).content).shape == (40, 60, 3)


def test_several_results_come_in_one_archive(client: httpx.Client, demo_photo: Path) -> None:
    ids = [
        post(client, demo_photo.read_bytes(), headers=JSON).json()["result"]["id"] for _ in range(2)
    ]
    response = client.get("/v1/results.zip", params={"id": ids})
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == ["a photo_gpen.jpg", "a photo_gpen_2.jpg"]
        assert archive.testzip() is None
    assert client.get("/v1/results.zip", params={"id": [*ids, "none"]}).status_code == 404
    assert client.get("/v1/results.zip").status_code == 422


def test_detect_numbers_faces_largest_first(
    client: httpx.Client, photo_with_two_faces: Path
) -> None:
    response = post(
        client, photo_with_two_faces.read_bytes(), "/v1/detect",
        data={"thumbnails": "1", "preview": "1"},
    ).json()  # fmt: skip
    assert [face["number"] for face in response["faces"]] == [0, 1]
    assert response["faces"][0]["size_px"] > response["faces"][1]["size_px"]
    assert response["preview"].startswith("data:image/webp;base64,")
    thumbnail = base64.b64decode(response["faces"][1]["thumbnail"].partition(",")[2])
    assert image(thumbnail).shape == (128, 128, 3)


def test_a_click_or_a_box_restores_the_face_there(
    client: httpx.Client, demo_photo: Path, demo_points: np.ndarray
) -> None:
    """The field `at`: a point on the face, then a box; where nothing is, the client is told."""
    photo = demo_photo.read_bytes()
    x, y = demo_points.mean(axis=0)
    eyes = float(np.hypot(*(demo_points[1] - demo_points[0])))
    for at in (f"{x:.1f},{y:.1f}", f"{x - 1.2 * eyes:.0f},{y - 1.5 * eyes:.0f},100,120"):
        (face,) = post(client, photo, headers=JSON, data={"at": at}).json()["faces"]
        assert face["restored"]
        away = np.hypot(*(np.array(face["points_xy"]) - demo_points).T).mean()
        assert away < 0.15 * eyes
        (found,) = post(client, photo, "/v1/detect", data={"at": at}).json()["faces"]
        assert found["points_xy"] == face["points_xy"]
    refused = post(client, photo, headers=JSON, data={"at": "2,2,5"})
    assert refused.status_code == 422
    assert "boxes X,Y,W,H" in refused.json()["detail"]


def test_photo_without_a_face_comes_back_as_it_was(client: httpx.Client) -> None:
    data = save(np.full((30, 50, 3), 90, np.uint8), "PNG")
    response = post(client, data)
    assert response.headers["x-gpen-faces"] == "0"
    np.testing.assert_array_equal(image(response.content), 90)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd_gpen.jpg"),
        ("C:\\Windows\\win.ini.jpg", "win.ini_gpen.jpg"),
        ("x" * 300 + ".jpg", "x" * 96 + "_gpen.jpg"),
        ("..", "photo_gpen.jpg"),
        ("Größe 𝔘.jpg", "Gr%C3%B6%C3%9Fe%20%F0%9D%94%98_gpen.jpg"),
    ],
)
def test_hostile_names_become_harmless(
    client: httpx.Client, demo_photo: Path, name: str, shown: str
) -> None:
    response = client.post("/v1/restore", content=demo_photo.read_bytes(), params={"name": name})
    assert response.status_code == 200
    assert response.headers["content-disposition"].endswith((f'"{shown}"', f"''{shown}"))


def test_hostile_name_of_a_part_becomes_harmless(client: httpx.Client, demo_photo: Path) -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="../../a\xc2\x85b.jpg"'
    response = client.post(
        "/v1/restore",
        content=b"--x\r\n" + head + b"\r\n\r\n" + demo_photo.read_bytes() + b"\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert response.headers["content-disposition"] == 'inline; filename="ab_gpen.jpg"'


def test_models_of_the_folders_can_be_chosen_by_name(
    start: Start, tmp_path: Path, negative_model: Path, demo_photo: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("one", "two", "three", "four", "gpen_bfr_512", "gpen-default-256"):
        folder.joinpath(f"{name}.onnx").write_bytes(negative_model.read_bytes())
    folder.joinpath("page.pth").write_text("<!doctype html>")
    running = start(Settings(models_dir=folder))
    with running.client() as client:
        listed = client.get("/v1/models").json()
        models = {model["name"]: model for model in listed["models"]}
        assert listed["default"] == "gpen-default-256"
        assert models["gpen-default-256"]["licence"] == "Apache-2.0"
        assert models["gpen-default-256"]["usable"]  # ours, not the file in the folder
        assert models["one"]["licence"] is None
        assert models["gpen_bfr_512"]["licence"] == "non-commercial"
        assert models["one"]["usable"]
        assert "web page" in models["page"]["problem"]
        assert str(folder) in listed["folders"]
        plain = post(client, demo_photo.read_bytes(), data={"format": "png"}).content
        for name in ("one", "TWO", "three", "four", "one"):
            response = post(client, demo_photo.read_bytes(), data={"format": "png", "model": name})
            assert response.status_code == 200, response.text
            assert response.content != plain
        refused = post(client, demo_photo.read_bytes(), data={"model": "page"})
        assert "expected one of" in refused.json()["detail"]
        again = post(client, demo_photo.read_bytes(), data={"format": "png", "model": ""})
        assert again.content == plain


def test_server_for_one_person_compares_faces(
    start: Start, portrait: Path, demo_photo: Path
) -> None:
    with start(Settings(faces=f"like:{portrait}")).client() as client:
        response = post(client, demo_photo.read_bytes())
    assert response.headers["x-gpen-restored"] == "1"


def test_json_says_how_alike_faces_are_where_it_is_asked_to(
    client: httpx.Client, photo_with_two_faces: Path
) -> None:
    sent = {"face_blend": "1=0", "format": "png"}
    photo = photo_with_two_faces.read_bytes()
    plain = post(client, photo, headers=JSON, data=sent).json()["faces"]
    assert [face["similarity"] for face in plain] == [None, None]
    asked = post(client, photo, headers=JSON, data={**sent, "similarity": "1"}).json()["faces"]
    expected = gpen.restore(photo_with_two_faces, face_blend="1=0").restored[0].similarity
    assert asked[0]["similarity"] == pytest.approx(expected, abs=0.002)
    assert 0.5 < asked[0]["similarity"] < 1
    assert asked[1]["similarity"] == 1
    chosen = post(client, photo, headers=JSON, data={"faces": "0", "similarity": "1"}).json()
    assert chosen["faces"][1]["similarity"] is None


def test_several_photos_in_one_request(client: httpx.Client, demo_photo: Path) -> None:
    gray = save(np.full((30, 50, 3), 90, np.uint8), "PNG")
    files = [
        ("file", ("a.jpg", demo_photo.read_bytes())),
        ("file", ("b.html", b"<html>")),
        ("file", ("c.png", gray)),
    ]
    answer = client.post("/v1/batch", files=files, data={"format": "png"}).json()
    assert [item["name"] for item in answer["items"]] == ["a.jpg", "b.html", "c.png"]
    first, second, third = answer["items"]
    assert (second["restored"], second["error"]["status"]) == (None, 415)
    assert [len(item["restored"]["faces"]) for item in (first, third)] == [1, 0]
    with zipfile.ZipFile(io.BytesIO(client.get(answer["zip_url"]).content)) as archive:
        assert archive.namelist() == ["a_gpen.png", "c_gpen.png"]
    assert client.post("/v1/batch", files=files, data={"blend": "2"}).status_code == 422
    none = client.post("/v1/batch", files=[("file", ("b.html", b"<html>"))]).json()
    assert none["zip_url"] is None
    many = [("file", ("a.png", gray))] * 51
    assert "more than 50" in client.post("/v1/batch", files=many).json()["detail"]
