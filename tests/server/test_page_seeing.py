"""What one sees on the page, from drop to saved file: pixels, live settings, models, videos."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from gpen.models import ASSETS
from gpen.models.catalogue import Offer
from support.page_browser import Visit, give, save_download, wait_for_shown, wait_for_states
from support.web_server import Running

SIZES = {"desktop": {"width": 1360, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(params=list(SIZES))
def sized(request: pytest.FixtureRequest, visit: Visit) -> Any:
    """The page at the size of a desktop and of a phone."""
    page = visit.open()
    page.set_viewport_size(SIZES[request.param])
    return page


@pytest.fixture(scope="module")
def large_photo(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> Path:
    """A photo of 12 million pixels: fine stripes, and the demo face in the middle."""
    path = tmp_path_factory.mktemp("large") / "large.png"
    pixels = np.full((3000, 4000, 3), 120, np.uint8)
    pixels[:, ::2] = 140
    with PIL.Image.open(demo_photo) as photo:
        pixels[1200:1712, 1700:2212] = np.asarray(photo.convert("RGB"))
    PIL.Image.fromarray(pixels).save(path, compress_level=1)
    return path


def shown_pixels(page: Any, pane: str) -> Any:
    """What a pane shows in its top image, as the browser has decoded it."""
    return page.evaluate(
        """pane => {
          const all = document.querySelectorAll(`.pane.${pane} img`);
          const image = all[all.length - 1];
          return [image.naturalWidth, image.naturalHeight, all.length];
        }""",
        pane,
    )


def test_real_pixels_come_where_one_looks(sized: Any, large_photo: Path, tmp_path: Path) -> None:
    give(sized, large_photo)
    wait_for_states(sized, "done")
    wait_for_shown(sized, "of=after")
    assert shown_pixels(sized, "right")[0] <= 2048
    sized.locator(".frame").focus()
    sized.keyboard.press("1")
    assert sized.inner_text(".percent") == "100 %"
    sized.wait_for_function("() => document.querySelectorAll('.pane.right img').length === 2")
    frame = sized.locator(".frame").bounding_box()
    width, height, _ = shown_pixels(sized, "right")
    assert abs(width - frame["width"]) <= 2
    assert abs(height - frame["height"]) <= 2
    sized.keyboard.press("0")
    assert sized.inner_text(".percent") != "100 %"
    sized.mouse.dblclick(frame["x"] + frame["width"] / 2 + 60, frame["y"] + frame["height"] / 2)
    sized.wait_for_selector(".frame.close")
    saved = save_download(sized, lambda: sized.click("#download"), tmp_path)
    assert saved.name == "large_gpen.png"


def test_strength_is_live_and_no_network_runs_again(
    sized: Any, running: Running, photo_with_two_faces: Path, tmp_path: Path
) -> None:
    give(sized, photo_with_two_faces)
    wait_for_states(sized, "done")
    wait_for_shown(sized, "of=after")
    photos = running.app_state.photo_visits
    (photo,) = list(photos._open.values())[-1:]
    outputs = [face.output for outputs in photo.outputs.values() for face in outputs.faces]
    sized.locator("#set-blend").press("Home")
    wait_for_shown(sized, "blend=0&")
    sized.locator("#set-fusion").click()
    wait_for_shown(sized, "fusion=false")
    (again,) = photo.outputs.values()
    assert all(
        face.output is known
        for face, known in zip(again.faces, outputs, strict=True)
        if known is not None
    )
    sized.keyboard.press("Control+z")
    sized.keyboard.press("Control+z")
    sized.wait_for_function("() => document.querySelector('.frame').dataset.shown === 'of=after'")
    sized.click("#redo")
    wait_for_shown(sized, "blend=0&")
    saved = save_download(sized, lambda: sized.click("#download"), tmp_path)
    with PIL.Image.open(saved) as after, PIL.Image.open(photo_with_two_faces) as before:
        assert np.array_equal(np.asarray(after.convert("RGB")), np.asarray(before.convert("RGB")))


def test_visit_survives_a_reload_and_its_settings_are_remembered(
    sized: Any, demo_photo: Path, tmp_path: Path
) -> None:
    give(sized, demo_photo)
    wait_for_states(sized, "done")
    sized.locator("#set-blend").press("ArrowLeft")
    wait_for_shown(sized, "blend=0.95")
    sized.reload()
    wait_for_states(sized, "done")
    wait_for_shown(sized, "blend=0.95")
    assert sized.input_value("#set-blend") == "95"
    saved = save_download(sized, lambda: sized.click("#download"), tmp_path)
    assert saved.name == "demo_gpen.jpg"
    pair = save_download(sized, lambda: sized.click("[data-act=pair]"), tmp_path)
    with PIL.Image.open(pair) as image:
        assert image.size == (1024, 512)


def test_sample_is_two_clicks_from_a_saved_file(sized: Any, tmp_path: Path) -> None:
    assert sized.locator("#panel").is_hidden()
    sized.click("#sample")
    wait_for_states(sized, "done")
    assert save_download(sized, lambda: sized.click("#download"), tmp_path).name == (
        "sample_gpen.jpg"
    )


def test_hold_side_by_side_and_outlines(sized: Any, photo_with_two_faces: Path) -> None:
    give(sized, photo_with_two_faces)
    wait_for_states(sized, "done")
    wait_for_shown(sized, "of=after")
    assert sized.locator(".outline").all_inner_texts() == ["1", "2"]
    sized.locator(".outline").first.click()
    assert sized.evaluate("document.activeElement.closest('.face') !== null")
    sized.locator(".frame").focus()
    sized.keyboard.down("b")
    assert sized.locator(".pane.right").is_hidden()
    sized.keyboard.up("b")
    assert sized.locator(".pane.right").is_visible()
    sized.get_by_role("button", name="Side by side").click()
    left, right = (sized.locator(f".pane.{side}").bounding_box() for side in ("left", "right"))
    is_beside = left["x"] + left["width"] <= right["x"]
    assert is_beside or left["y"] + left["height"] <= right["y"]  # on a phone one below the other


def test_face_that_was_not_found_is_added_by_a_click(
    sized: Any, demo_photo: Path, tmp_path: Path
) -> None:
    give(sized, demo_photo)
    wait_for_states(sized, "done")
    wait_for_shown(sized, "of=after")
    sized.locator("#set-min_face").evaluate("one => one.closest('details').open = true")
    frame = sized.locator(".frame").bounding_box()
    scale = int(sized.inner_text(".percent").split()[0]) / 100
    left = frame["x"] + frame["width"] / 2 + (223 - 256) * scale
    top = frame["y"] + frame["height"] / 2 + (30 - 256) * scale  # the hair, beside the face's box
    sized.mouse.click(left, top)
    sized.get_by_role("button", name="Add a face here").click()
    wait_for_shown(sized, "at=")
    sized.wait_for_function("() => document.querySelectorAll('.outline').length === 2")
    assert sized.locator(".people .face").count() == 2
    sized.keyboard.press("Control+z")
    sized.wait_for_function("() => document.querySelectorAll('.outline').length === 1")


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, running: Running, tmp_path: Path) -> Iterator[Offer]:
    """A model to be fetched from a server of its own, into a folder of its own."""
    data = (ASSETS / "gpen-default-256.onnx").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    offer = Offer(
        name="small_256",
        suffix=".onnx",
        title="A network for 256 px",
        role="restorer",
        urls=(f"http://127.0.0.1:{server.server_port}/small_256.onnx",),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        licence="a licence",
        terms="These are its terms.",
        home="https://example.org",
    )
    monkeypatch.setattr("gpen.models.catalogue.OFFERS", (offer,))
    monkeypatch.setattr("gpen.server.model_downloads.OFFERS", (offer,))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running.app_state.model_pool.look_again()  # the folder of an earlier test is gone
    yield offer
    server.shutdown()
    server.server_close()


def test_model_is_fetched_once_its_licence_is_accepted_and_then_compared(
    sized: Any, mirror: Offer, demo_photo: Path
) -> None:
    give(sized, demo_photo)
    wait_for_states(sized, "done")
    sized.click("#add-model")
    dialog = sized.locator("#models-dialog")
    get = dialog.get_by_role("button", name="Download small_256")
    get.wait_for()
    assert get.is_disabled()
    dialog.get_by_text("a licence").click()
    assert "These are its terms." in dialog.inner_text()
    dialog.get_by_text("I accept this licence").click()
    get.click()
    dialog.get_by_role("button", name="Use").wait_for()
    dialog.get_by_role("button", name="Close").click()
    assert sized.locator("#set-model option").count() == 2
    sized.select_option("#compare-with", "small_256")
    sized.wait_for_function("() => document.querySelector('.tag.left').textContent === 'small_256'")
    sized.select_option("#set-model", "small_256")
    wait_for_shown(sized, "model=small_256")


def test_video_is_tried_restored_paused_and_found_again(
    sized: Any, write_clip: Callable[[int], Path], tmp_path: Path
) -> None:
    give(sized, write_clip(24))
    wait_for_states(sized, "waiting")
    sized.get_by_role("button", name="Choose people").click()
    person = sized.get_by_role("switch", name="Person 1")
    person.wait_for()
    sized.get_by_role("button", name="Try this frame").click()
    wait_for_shown(sized, "of=after")
    sized.locator("#set-blend").press("ArrowLeft")
    wait_for_shown(sized, "blend=0.95")
    sized.get_by_role("button", name="Back to the video").click()
    sized.get_by_role("button", name="Try five seconds").click()
    sized.get_by_text("Five seconds from").wait_for()
    assert sized.locator(".films .pane.right video").is_visible()
    sized.get_by_role("button", name="Restore video").click()
    sized.get_by_role("button", name="Pause", exact=True).click()
    sized.get_by_text("Paused").wait_for()
    sized.reload()
    sized.get_by_text("Paused").wait_for()
    sized.get_by_role("button", name="Go on").click()
    wait_for_states(sized, "done")
    assert save_download(sized, lambda: sized.click("#download"), tmp_path).name == "walk_gpen.mp4"


def test_page_speaks_german_to_german_browsers(browser: Any, running: Running) -> None:
    visit = Visit(browser.new_context(locale="de-AT"), running.url)
    page = visit.open()
    assert page.inner_text("h1").startswith("Scharfe Gesichter")
    assert page.get_attribute("html", "lang") == "de"
    page.click("#sample")
    wait_for_states(page, "done")
    assert page.inner_text("#say") == "sample.jpg ist restauriert, 1 Gesicht."
    assert page.inner_text("[data-setting=blend] label") == "Stärke"
    visit.context.close()
    visit.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_axe_knows_is_wrong(
    sized: Any, photo_with_two_faces: Path, write_clip: Callable[[int], Path], scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")

    def violations() -> list[str]:
        sized.evaluate(source)
        found = sized.evaluate("axe.run().then((one) => one.violations)")
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]

    sized.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert violations() == []
    give(sized, photo_with_two_faces, write_clip(12))
    wait_for_states(sized, "done", "waiting")
    wait_for_shown(sized, "of=after")
    assert violations() == []
    sized.click("details.more > summary")
    sized.click("#add-model")
    sized.locator(".model").nth(1).wait_for()
    assert violations() == []
    sized.keyboard.press("Escape")
    sized.locator(".tile").nth(1).click()
    sized.wait_for_selector(".films")
    assert violations() == []
