"""Servers and clients of the tests of the HTTP interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from support.page_browser import Visit, open_browser
from support.web_server import Running, Start, start_server


@pytest.fixture
def start(private_folders: None) -> Iterator[Start]:
    """Starts servers that are stopped after the test."""
    running: list[Running] = []

    def begin(*arguments: Any, **options: Any) -> Running:
        running.append(start_server(*arguments, **options))
        return running[-1]

    yield begin
    for one in running:
        one.stop()
        assert not one.app_state.folder.path.exists()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One server with its usual limits for the tests of a file."""
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with running.client() as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of the page."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, running: Running) -> Iterator[Visit]:
    """A visitor; at the end, nothing has left the server's origin or gone wrong unseen."""
    visit = Visit(browser.new_context(locale="en-GB"), running.url)
    yield visit
    visit.context.close()
    visit.check()


@pytest.fixture
def page(visit: Visit) -> Any:
    return visit.open()


@pytest.fixture(scope="session")
def write_clip(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> Callable[[int], Path]:
    """Writes a video of so many frames, in which the demo face moves."""
    av = pytest.importorskip("av")
    photo = np.asarray(cv2.imread(str(demo_photo))[..., ::-1])

    def write(frames: int) -> Path:
        path = tmp_path_factory.mktemp("clip") / "walk.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("h264", rate=12)
            stream.width = stream.height = 256
            stream.pix_fmt = "yuv420p"
            for k in range(frames):
                left = 80 + k % 40
                crop = np.ascontiguousarray(photo[20:276, left : left + 256])
                file.mux(stream.encode(av.VideoFrame.from_ndarray(crop, "rgb24")))
            file.mux(stream.encode())
        return path

    return write
