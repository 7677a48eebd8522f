"""Model files that come, change, go or are damaged while the server runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import httpx
import pytest

from gpen import Settings
from support.web_server import Running, Start, eventually


@pytest.fixture
def folder(tmp_path: Path, negative_model: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(negative_model, folder / "mine.onnx")
    return folder


def restored(client: httpx.Client, photo: Path, **settings: str) -> httpx.Response:
    return client.post("/v1/restore", content=photo.read_bytes(), params=settings)


def test_replaced_deleted_and_damaged_files(start: Start, folder: Path, demo_photo: Path) -> None:
    path = folder / "mine.onnx"
    with start(Settings(models_dir=folder)).client() as client:
        first = restored(client, demo_photo, model="mine", format="png")
        assert first.status_code == 200
        path.write_bytes(b"\x08" + b"garbage" * 99)
        refused(restored(client, demo_photo, model="mine"), folder)
        path.write_text("<!doctype html>")
        refused(restored(client, demo_photo, model="mine"), folder)
        path.unlink()
        detail = refused(restored(client, demo_photo, model="mine"), folder)
        assert "no longer there" in detail or "no model 'mine'" in detail
        shutil.copy(default_model(), path)
        replaced = restored(client, demo_photo, model="mine", format="png")
        assert replaced.status_code == 200, replaced.text
        assert replaced.content != first.content
        shutil.copy(path, folder / "new.onnx")
        assert restored(client, demo_photo, model="new").status_code == 200


def default_model() -> Path:
    from gpen.models import ASSETS

    return ASSETS / "gpen-default-256.onnx"


def refused(response: httpx.Response, folder: Path) -> str:
    """The line that says why a model cannot be used, without where it lies."""
    assert response.status_code == 422, response.text
    detail = str(response.json()["detail"])
    assert str(folder) not in detail
    assert "mine" in detail
    return detail


def own_model_is_open(running: Running) -> bool:
    return bool(running.app_state.model_pool.is_loaded)


def test_the_servers_own_model(start: Start, folder: Path, demo_photo: Path) -> None:
    path = folder / "mine.onnx"
    running = start(Settings(models_dir=folder, model=str(path)))
    assert eventually(lambda: own_model_is_open(running), 30)
    with running.client() as client:
        assert restored(client, demo_photo).status_code == 200
        data = path.read_bytes()
        path.unlink()
        response = restored(client, demo_photo)
        assert response.status_code == 503
        assert str(folder) not in response.text
        path.write_bytes(data)
        os.utime(path)
        assert restored(client, demo_photo).status_code == 200
