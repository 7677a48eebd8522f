"""Make web-page.webp of the page about the web page: a photo in it, restored.

PYTHONPATH=benchmarks python docs/images/web.py

Needs what benchmarks/page.py needs: the extra `web`, Debian's `chromium`, and playwright.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from page import browser, restore, serve

#: Of the window, in pixels; the page shows it about half as wide.
WIDTH, HEIGHT = 1240, 800


def main() -> None:
    """Take the screenshot."""
    with serve() as url, browser() as chromium:
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.wait_for_selector("body.ready")
        restore(page)
        page.wait_for_timeout(500)  # what glides has arrived
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            shot.convert("RGB").save(Path(__file__).with_name("web-page.webp"), quality=70)


if __name__ == "__main__":
    main()
