"""A real Chromium for the tests of the page, and what every visit is watched for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

#: Longest wait for anything on the page, in milliseconds: the machine may be busy.
PATIENCE_MS = 90_000
#: What Chromium logs of every output from 400 on; the page shows those itself.
_ANSWERED = "Failed to load resource: "


@contextmanager
def open_browser() -> Iterator[Any]:
    """The machine's own Chromium; skips where it or Playwright is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium; apt-get install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One visitor's browser at one server.

    Attributes:
        context: Of Playwright.
        url: Where the page is.
        requests: Addresses that were asked for.
        refused: Those that were answered with an error.
        complaints: What went wrong in scripts, or against the policy of the page.
    """

    context: Any
    url: str
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("response", self._look)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("console", self._listen)

    def _look(self, response: Any) -> None:
        if response.status >= 400:
            self.refused.append(response.url)

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_ANSWERED):
            self.complaints.append(message.text)

    def open(self, query: str = "") -> Any:
        """A tab with the page, ready to be used."""
        page = self.context.new_page()
        page.goto(self.url + "/" + query)
        page.wait_for_selector("body.ready")
        return page

    def check(self) -> None:
        """Nothing left the server's origin, and nothing went wrong unseen."""
        own = urlsplit(self.url).netloc
        local = ("data", "blob")
        foreign = [
            url for url in self.requests
            if urlsplit(url).scheme not in local and urlsplit(url).netloc != own
        ]  # fmt: skip
        assert self.requests, "no request was seen: the check is blind"
        assert foreign == []
        assert self.complaints == []


def give(page: Any, *files: Path | dict[str, Any]) -> None:
    """Choose files, as in the file chooser."""
    page.set_input_files("#files", list(files))


def wait_for_states(page: Any, *states: str) -> None:
    """Wait until the tiles of the visit have these states, in their order."""
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('.tile[data-state]')]"
        ".map(one => one.dataset.state).join() === wanted",
        arg=",".join(states),
    )


def wait_for_shown(page: Any, query: str) -> None:
    """Wait until the comparison shows a result whose settings have this in their query."""
    page.wait_for_function(
        "wanted => document.querySelector('.frame')?.dataset.shown?.includes(wanted)", arg=query
    )


def press_until(page: Any, key: str, selector: str, most: int = 60) -> None:
    """Press a key until an element has the focus."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("one => document.activeElement?.matches(one)", selector):
            return
    raise AssertionError(f"{selector} is not reached with {key}")


def chooser_after_enter(page: Any) -> Any:
    """The file chooser that Enter opens on the element that has the focus."""
    # Playwright catches choosers from the first listener on, and tells Chromium so without waiting.
    page.on("filechooser", lambda _: None)
    page.wait_for_timeout(500)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    return chooser.value


def save_download(page: Any, act: Any, folder: Path) -> Path:
    """Do something that downloads a file, and keep it under its own name."""
    with page.expect_download() as waiting:
        act()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path
