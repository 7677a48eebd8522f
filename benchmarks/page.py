"""Weight of the web page, its requests, and the time to a first result, in a real Chromium.

    python benchmarks/page.py [--screenshots FOLDER] [--runs 7]

Needs the extra `web`, Debian's `chromium` and `pip install playwright`. The server runs in the
same process on a free port. "ready" is from the address to a page that takes files, with an empty
cache; "first result" from giving it examples/demo.jpg (53 kB, one face) to the comparison on the
screen, which takes one click, and saving it another. "strength" is from a step of the slider to the
new image on the screen, of a photo of 12 million pixels with several faces. Bytes are those of the
files; "on the wire" adds the heads of the outputs. Screenshots are
taken at desktop and phone width, light and dark, before and after a restore.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

from report import machine, median_spread, write_results

#: Width and height of the large photo, and the side of each of the images with a face in it.
LARGE_WH, FACE_PX = (4000, 3000), 1300
PHOTO = Path(__file__).resolve().parents[1] / "examples" / "demo.jpg"
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
#: Every file of the page and what it asks the server, with bytes of body and of the whole answer.
_ENTRIES = """() => [...performance.getEntriesByType("navigation"),
  ...performance.getEntriesByType("resource")]
  .filter((one) => !one.name.startsWith("data:"))
  .map((one) => [new URL(one.name).pathname, one.decodedBodySize, one.transferSize])"""
#: One step of the strength; milliseconds until an image of this setting is painted.
_STEP = """wanted => new Promise((resolve) => {
  const slider = document.querySelector("#set-blend"), frame = document.querySelector(".frame");
  const began = performance.now();
  new MutationObserver((_, observer) => {
    if (!frame.dataset.shown.includes(wanted)) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
  }).observe(frame, {attributes: true, attributeFilter: ["data-shown"]});
  slider.value = String(Number(slider.value) - 5);
  slider.dispatchEvent(new Event("input", {bubbles: true}));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    about = machine()
    with serve() as url, browser() as chromium:
        ready_s, result_s, entries = visit_often(chromium, url, arguments.runs)
        strengths = {faces: strength_s(chromium, url, faces, arguments.runs) for faces in (1, 6)}
        if arguments.screenshots:
            take_screenshots(chromium, url, arguments.screenshots)
        about["chromium"] = chromium.version
    page = [one for one in entries if not one[0].startswith("/v1/")]
    data = {
        "machine": about,
        "requests": len(entries),
        "page_bytes": sum(one[1] for one in page),
        "wire_bytes": sum(one[2] for one in entries),
        "files": {name: size for name, size, _ in entries},
        "ready": median_spread(ready_s),
        "first_result": median_spread(result_s[1:]),
        "first_result_of_the_server_s": round(result_s[0], 4),
        "strength": {str(faces): median_spread(spent) for faces, spent in strengths.items()},
    }
    write_results("page", data, table_of(data))


def table_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What is worth reading, one figure a row."""
    first_s = data["first_result_of_the_server_s"]
    rows = {
        "requests until the page is ready": data["requests"],
        "files of the page": f"{data['page_bytes'] / 1000:.1f} kB",
        "everything on the wire": f"{data['wire_bytes'] / 1000:.1f} kB",
        "ready, empty cache": f"{1000 * data['ready']['median_s']:.0f} ms",
        "first result of the server": f"{1000 * first_s:.0f} ms",
        "result of a photo, median": f"{1000 * data['first_result']['median_s']:.0f} ms",
        **{
            f"strength of 12 MP, faces of 1300 px: {faces}": f"{1000 * spent['median_s']:.0f} ms"
            for faces, spent in data["strength"].items()
        },
    }
    return [{"figure": name, "value": value} for name, value in rows.items()]


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """A server on a free port; gives its address."""
    from gpen.server import create_app
    from gpen.server.http_server import Server, listen

    listener = listen("127.0.0.1", 0)
    server = Server(create_app())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """The machine's own Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("no chromium: apt-get install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=sandbox)
        yield chromium
        chromium.close()


def visit_often(
    chromium: Browser, url: str, runs: int
) -> tuple[list[float], list[float], list[tuple[str, int, int]]]:
    """Seconds to a page that is ready, to a result, and what was fetched, of fresh visits."""
    ready_s, result_s = [], []
    entries: list[tuple[str, int, int]] = []
    for _ in range(runs + 1):
        context = chromium.new_context()
        page = context.new_page()
        started_s = time.perf_counter()
        page.goto(url)
        page.wait_for_selector("body.ready")
        ready_s.append(time.perf_counter() - started_s)
        entries = page.evaluate(_ENTRIES)
        result_s.append(restore(page))
        context.close()
    return ready_s[1:], result_s, entries


def restore(page: Page) -> float:
    """Give the page a photo; seconds until it can be compared."""
    started_s = time.perf_counter()
    page.set_input_files("#files", PHOTO)
    page.wait_for_selector(".frame[data-shown]")
    return time.perf_counter() - started_s


def strength_s(chromium: Browser, url: str, faces: int, runs: int) -> list[float]:
    """Seconds from a step of the strength to the image on the screen."""
    page = chromium.new_page(viewport={"width": 1360, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_selector("body.ready")
    page.set_input_files("#files", large_photo(faces))
    page.wait_for_selector(".frame[data-shown]")
    spent = []
    for step in range(1, runs + 1):
        page.wait_for_timeout(1500)  # what the last step has begun has ended
        spent.append(page.evaluate(_STEP, f"blend={1 - 0.05 * step:.2f}".rstrip("0")) / 1000)
    page.close()
    return spent


def large_photo(faces: int) -> FilePayload:
    """A photo with so many faces, as Playwright takes files."""
    width, height = LARGE_WH
    pixels = np.full((height, width, 3), 120, np.uint8)
    with PIL.Image.open(PHOTO) as photo:
        face = np.asarray(photo.convert("RGB").resize((FACE_PX, FACE_PX)))
    for number in range(faces):
        top, left = 1500 * (number // 3), 1350 * (number % 3)
        pixels[top : top + FACE_PX, left : left + FACE_PX] = face
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=92)
    return {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}


def take_screenshots(chromium: Browser, url: str, folder: Path) -> None:
    """PAGE-WIDTH-SCHEME-{before,after}.png into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            page.goto(url)
            page.wait_for_selector("body.ready")
            page.screenshot(path=folder / f"page-{name}-{scheme}-before.png")
            restore(page)
            page.wait_for_timeout(500)  # what glides has arrived
            page.screenshot(path=folder / f"page-{name}-{scheme}-after.png")
            context.close()


if __name__ == "__main__":
    main()
