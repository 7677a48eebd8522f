"""The page at servers of its own: videos, tokens, full queues, the end of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.page_browser import Visit, give, wait_for_shown, wait_for_states
from support.web_server import Running, Start, eventually

Open = Callable[[Running], Visit]
SESAME = "open-sesame"


@pytest.fixture
def visit_of(browser: Any) -> Iterator[Open]:
    """Opens visits, which are checked at the end."""
    visits: list[Visit] = []

    def begin(running: Running) -> Visit:
        visits.append(Visit(browser.new_context(locale="en-GB"), running.url))
        return visits[-1]

    yield begin
    for one in visits:
        one.context.close()
        one.check()


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
    page.get_by_role("button", name="Play").click()
    film = "[...document.querySelectorAll('.films video')]"
    page.wait_for_function(f"() => {film}.every((one) => one.currentTime > 0.2)")
    assert page.evaluate(f"{film}[1].duration") == pytest.approx(2, abs=0.2)
    assert page.evaluate(f"{film}.map((one) => one.src.split(':')[0])") == ["blob", "http"]


def test_cancelled_clip_leaves_the_server_and_can_be_started_again(
    start: Start, visit_of: Open, write_clip: Callable[[int], Path]
) -> None:
    running = start()
    page = visit_of(running).open()
    give(page, write_clip(400))
    with page.expect_response(lambda one: one.url.endswith("/restore?")) as response:
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
    page.wait_for_function(
        "() => /asking again|was restarted/.test(document.querySelector('.status').textContent)"
    )
    end.join()
    give(page, demo_photo)
    page.wait_for_selector(".tile[data-state=failed]")
    assert "does not answer" in page.inner_text("#alert")
    assert page.get_by_role("button", name="Try again").is_visible()


def test_photo_that_met_no_server_is_done_when_it_is_back(
    start: Start, visit_of: Open, demo_photo: Path
) -> None:
    page = visit_of(start()).open()
    page.context.set_offline(True)
    give(page, demo_photo)
    wait_for_states(page, "failed")
    assert "does not answer" in page.inner_text("#alert")
    page.context.set_offline(False)
    wait_for_states(page, "done")
    assert page.locator("#alert").is_hidden()


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
    wait_for_shown(page, "of=after")
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
    assert not any("/v1/photos" in url for url in visit.requests)
