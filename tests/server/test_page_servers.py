"""The page at servers of its own: videos, tokens, full queues, the end of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from support.page_browser import Visit, give, open_browser, wait_for_states
from support.web_server import Running, Start, eventually

Open = Callable[[Running], Visit]
SESAME = "open-sesame"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit_of(browser: Any) -> Iterator[Open]:
    """Opens visits, which are checked at the end."""
    visits: list[Visit] = []

    def begin(running: Running) -> Visit:
        visits.append(Visit(browser.new_context(), running.url))
        return visits[-1]

    yield begin
    for one in visits:
        one.context.close()
        one.check()


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


def test_clip_is_restored_with_progress_and_plays(
    start: Start, visit_of: Open, write_clip: Callable[[int], Path]
) -> None:
    page = visit_of(start()).open()
    give(page, write_clip(24))
    wait_for_states(page, "waiting")
    page.evaluate("""() => {
      window.told = [];
      new MutationObserver(() => window.told.push(document.querySelector('.status').textContent))
        .observe(document.querySelector('.status'), {subtree: true, childList: true});
    }""")
    page.get_by_role("button", name="Restore video").click()
    wait_for_states(page, "done")
    assert any("frames" in one or "faces" in one for one in page.evaluate("window.told"))
    assert (
        page.get_by_role("button", name="Restored", exact=True).get_attribute("aria-pressed")
        == "true"
    )
    page.evaluate("document.querySelector('.player video').play()")
    page.wait_for_function("() => document.querySelector('.player video').currentTime > 0.2")
    assert page.evaluate("document.querySelector('.player video').duration") == pytest.approx(2)
    page.get_by_role("button", name="Original", exact=True).click()
    page.wait_for_function("() => document.querySelector('.player video').src.startsWith('blob:')")


def test_cancelled_clip_leaves_the_server_and_can_be_started_again(
    start: Start, visit_of: Open, write_clip: Callable[[int], Path]
) -> None:
    running = start()
    page = visit_of(running).open()
    give(page, write_clip(400))
    with page.expect_response(lambda one: "/v1/videos" in one.url) as response:
        page.get_by_role("button", name="Restore video").click()
    job = response.value.json()["url"]
    page.get_by_role("button", name="Cancel", exact=True).click()
    wait_for_states(page, "waiting")
    with running.client() as client:
        assert eventually(lambda: client.get(job).json().get("state") in (None, "cancelled"))
    assert page.get_by_role("button", name="Restore video").is_visible()


def test_server_that_ends_in_the_middle_is_told(
    start: Start, visit_of: Open, write_clip: Callable[[int], Path], demo_photo: Path
) -> None:
    running = start()
    page = visit_of(running).open()
    give(page, write_clip(400))
    page.get_by_role("button", name="Restore video").click()
    page.wait_for_selector(".progress:not([hidden])")
    page.wait_for_timeout(700)
    end = threading.Thread(target=running.stop)
    end.start()
    wait_for_states(page, "failed")
    end.join()
    told = page.inner_text(".status.bad")
    assert "does not answer" in told or "was ended" in told
    give(page, demo_photo)
    wait_for_states(page, "failed", "failed")
    assert "does not answer" in page.inner_text("#alert")
    assert page.get_by_role("button", name="Try again").is_visible()


def test_token_is_asked_for_until_it_is_right(
    start: Start, visit_of: Open, demo_photo: Path
) -> None:
    visit = visit_of(start(token=SESAME))
    page = visit.context.new_page()
    page.goto(visit.url)
    for guess in ("wrong", SESAME):
        page.wait_for_selector("#token-dialog[open]")
        page.fill("#token", guess)
        page.keyboard.press("Enter")
    page.wait_for_selector("body.ready")
    give(page, demo_photo)
    wait_for_states(page, "done")
    page.wait_for_selector(".divide:enabled")
    page.reload()
    page.wait_for_selector("body.ready")  # this tab remembers it


def test_token_in_the_address_is_taken_out_of_it(start: Start, visit_of: Open) -> None:
    page = visit_of(start(token=SESAME)).open(f"?token={SESAME}")
    assert "sesame" not in page.url


def test_full_queue_is_waited_for(start: Start, visit_of: Open, demo_photo: Path) -> None:
    page = visit_of(start(queue=1, jobs=1)).open()
    give(page, demo_photo, demo_photo, demo_photo)
    wait_for_states(page, "done", "done", "done")


def test_file_over_the_limit_is_not_sent(start: Start, visit_of: Open, demo_photo: Path) -> None:
    visit = visit_of(start(photo_bytes=20_000))
    page = visit.open()
    give(page, demo_photo)
    wait_for_states(page, "failed")
    assert page.inner_text(".status.bad").startswith(
        "demo.jpg has 53 kB; this server takes at most"
    )
    assert not any("/v1/restore" in url for url in visit.requests)
