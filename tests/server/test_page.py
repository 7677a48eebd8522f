"""The page in a real browser, from the upload to the downloaded file."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from gpen import Settings, VideoSettings
from gpen.options import options_of
from support.page_browser import (
    Visit,
    chooser_after_enter,
    give,
    press_until,
    save_download,
    wait_for_shown,
    wait_for_states,
)
from support.web_server import Running

DESKTOP, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


def pixels(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


#: Where the faces of `photo_with_two_faces` are, within their boxes: rows, columns.
LARGE, SMALL = np.s_[75:160, 190:260], np.s_[165:208, 607:642]


def test_photo_comes_back_with_another_face_and_all_else_as_it_was(
    page: Any, photo_with_two_faces: Path, tmp_path: Path
) -> None:
    give(page, photo_with_two_faces)
    wait_for_states(page, "done")
    saved = save_download(page, lambda: page.click("#download"), tmp_path)
    before, after = pixels(photo_with_two_faces), pixels(saved)
    assert saved.name == "two faces_gpen.png"
    assert np.abs(after - before)[LARGE].mean() > 0.5
    assert np.abs(after - before)[SMALL].mean() > 0.5
    assert np.array_equal(after[300:], before[300:])
    assert page.locator(".face").count() == 2
    for text in page.locator(".face .likeness").all_inner_texts():
        assert re.fullmatch(r"Likeness [5-9]\d %", text)
    assert "768 × 512" in page.inner_text(".facts")


def test_face_that_is_switched_off_stays_untouched(
    page: Any, photo_with_two_faces: Path, tmp_path: Path
) -> None:
    give(page, photo_with_two_faces)
    wait_for_states(page, "done")
    page.get_by_role("switch", name="Face 2: restore").click()
    wait_for_shown(page, "face_blend=1%3D0")
    saved = save_download(page, lambda: page.click("#download"), tmp_path)
    changed = np.abs(pixels(saved) - pixels(photo_with_two_faces))
    assert not changed[SMALL].any()
    assert changed[LARGE].mean() > 0.5


def test_face_has_a_strength_of_its_own(page: Any, photo_with_two_faces: Path) -> None:
    give(page, photo_with_two_faces)
    wait_for_states(page, "done")
    slider = page.get_by_role("slider", name="Face 1: strength")
    for _ in range(2):
        slider.press("ArrowLeft")
    wait_for_shown(page, "face_blend=0%3D0.9")
    assert page.inner_text(".face:nth-child(1) output") == "90 %"
    assert page.inner_text(".face:nth-child(2) output") == "100 %"


def test_many_photos_go_home_in_one_file(
    visit: Visit,
    page: Any,
    demo_photo: Path,
    portrait: Path,
    photo_with_two_faces: Path,
    tmp_path: Path,
) -> None:
    give(page, demo_photo, portrait, photo_with_two_faces)
    wait_for_states(page, "done", "done", "done")
    assert page.inner_text("#visit .titles p") == "3 of 3 done"
    saved = save_download(page, lambda: page.click("#download-all"), tmp_path)
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        names = sorted(archive.namelist())
    assert names == ["demo_gpen.jpg", "portrait_gpen.jpg", "two faces_gpen.png"]
    page.click("#clear")
    page.wait_for_selector("#welcome", state="visible")
    page.click("#note button")  # it can be taken back
    wait_for_states(page, "done", "done", "done")
    assert visit.refused == []


def test_settings_hold_for_every_photo_that_is_looked_at(
    page: Any, demo_photo: Path, portrait: Path
) -> None:
    give(page, demo_photo, portrait)
    wait_for_states(page, "done", "done")
    page.locator("[data-setting=upscale]").get_by_text("×2").click()
    larger = "() => document.querySelector('.facts').textContent.includes('→ 1024')"
    page.wait_for_function(larger)
    page.click(".tile[aria-label^=portrait]")
    page.wait_for_function(larger)
    assert page.inner_text(".name") == "portrait.jpg"


def test_keyboard_alone_goes_from_start_to_the_file(
    page: Any, demo_photo: Path, tmp_path: Path
) -> None:
    press_until(page, "Tab", "#choose")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    chooser_after_enter(page).set_files(demo_photo)
    wait_for_states(page, "done")
    wait_for_shown(page, "of=after")
    assert page.evaluate("document.activeElement.matches('.name')")  # not lost with its button
    press_until(page, "Tab", "#download")
    saved = save_download(page, lambda: page.keyboard.press("Enter"), tmp_path)
    assert pixels(saved).shape == (512, 512, 3)
    press_until(page, "Tab", ".frame")
    for key, shown in (("1", "100 %"), ("+", "135 %"), ("-", "100 %")):
        page.keyboard.press(key)
        assert page.inner_text(".percent") == shown
    press_until(page, "Tab", ".outline")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('.face') !== null")
    press_until(page, "Shift+Tab", ".divide")
    first = page.get_attribute(".divide", "aria-valuetext")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(".divide", "aria-valuetext") != first
    press_until(page, "Tab", ".face .switch")
    page.keyboard.press("Space")
    wait_for_shown(page, "face_blend=0%3D0")


def test_screen_reader_hears_what_happens_and_every_control_has_a_name(
    page: Any, demo_photo: Path
) -> None:
    give(page, demo_photo)
    wait_for_states(page, "done")
    assert page.inner_text("#say") == "demo.jpg is restored, 1 face."
    page.click("details.more > summary")
    nameless = page.evaluate("""() => [...document.querySelectorAll(
      'button, input:not([type=file]), select, summary')].filter((one) => one.checkVisibility()
        && !(one.getAttribute('aria-label') || one.textContent.trim()
          || one.labels?.[0]?.textContent.trim())).map((one) => one.outerHTML)""")
    assert nameless == []


def test_hostile_name_is_text(visit: Visit, page: Any, demo_photo: Path) -> None:
    name = "<img src=x onerror=document.title=1>\u202egpj\x07" + "w" * 150 + ".jpg"
    give(page, {"name": name, "mimeType": "image/jpeg", "buffer": demo_photo.read_bytes()})
    wait_for_states(page, "done")
    assert page.inner_text(".name").startswith("<img src=x onerror")
    assert page.title() == "gpen: sharp faces"
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_broken_file_says_so_and_the_page_goes_on(page: Any, demo_photo: Path) -> None:
    give(page, {"name": "torn.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff torn"})
    wait_for_states(page, "failed")
    assert "cannot read the photo" in page.inner_text(".status.bad")
    assert "torn.jpg failed" in page.inner_text("#say")
    give(page, demo_photo)
    wait_for_states(page, "failed", "done")
    assert page.locator(".status.bad").count() == 0


def test_photo_without_a_face_says_so(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    PIL.Image.new("RGB", (320, 200), (70, 120, 90)).save(path)
    give(page, path)
    wait_for_states(page, "done")
    assert page.inner_text(".status.note") == "No face was found, so the photo is as it was."


def test_file_that_the_browser_cannot_show_is_compared_all_the_same(
    page: Any, demo_photo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "scan.tif"
    with PIL.Image.open(demo_photo) as image:
        image.save(path)
    give(page, path)
    wait_for_states(page, "done")
    wait_for_shown(page, "of=after")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.pane img')].filter((one) => one.naturalWidth > 200)"
        ".length === 2"
    )


def test_two_tabs_do_not_disturb_each_other(
    visit: Visit, page: Any, demo_photo: Path, portrait: Path, tmp_path: Path
) -> None:
    other = visit.open()
    give(page, demo_photo)
    give(other, portrait)
    wait_for_states(page, "done")
    wait_for_states(other, "done")
    page.click("#clear")
    assert page.locator("#welcome").is_visible()
    saved = save_download(other, lambda: other.click("#download"), tmp_path)
    assert saved.name == "portrait_gpen.jpg"


def test_dropped_and_pasted_files_are_taken(page: Any, demo_photo: Path) -> None:
    act = """([bytes, kind]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], `${kind}.jpg`, {type: "image/jpeg"}));
      const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true})
        : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
      document.body.dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        page.evaluate(act, [list(demo_photo.read_bytes()), kind])
    wait_for_states(page, "done", "done")
    assert page.inner_text(".name") == "paste.jpg"


def test_expired_photo_says_so_where_one_looks_and_is_restored_again(
    page: Any, running: Running, demo_photo: Path, tmp_path: Path
) -> None:
    with page.expect_response(lambda one: one.url.endswith("/v1/photos")) as response:
        give(page, demo_photo)
    wait_for_states(page, "done")
    with running.client() as client:
        assert client.delete(response.value.json()["url"]).is_success
    page.click("#download")
    wait_for_states(page, "expired")
    assert page.inner_text(".status.bad p") == "demo.jpg has expired on the server."
    page.get_by_role("button", name="Restore again").click()
    wait_for_states(page, "done")
    assert save_download(page, lambda: page.click("#download"), tmp_path).stat().st_size > 10_000


def test_setting_that_is_put_right_restores_again(page: Any, demo_photo: Path) -> None:
    give(page, demo_photo)
    wait_for_states(page, "done")
    page.click("details.more > summary")
    page.fill("#set-faces", "nobody")
    page.keyboard.press("Enter")
    wait_for_states(page, "failed")
    assert "expected all" in page.inner_text(".status.bad")
    assert page.is_disabled("#download")
    page.fill("#set-faces", "largest")
    page.keyboard.press("Enter")
    wait_for_states(page, "done")
    assert page.is_enabled("#download")


def test_every_setting_appears(page: Any, running: Running) -> None:
    with running.client() as client:
        known = client.get("/v1/settings").json()
    names = {one["name"] for one in known["photo"] + known["video"]}
    shown = page.evaluate(
        "[...document.querySelectorAll('#panel [data-setting]')].map((one) => one.dataset.setting)"
    )
    assert sorted(shown) == sorted(names | {"container"})


def test_fields_read_as_in_the_table(page: Any) -> None:
    for name, option in (options_of(Settings) | options_of(VideoSettings)).items():
        if name in {"model", "crf", "preset", "codec", "engine", "precision"}:
            continue  # in plainer words, of texts/en.js
        shown = page.locator(f"#panel [data-setting={name}]").text_content()
        assert option.label in shown
        if "http" not in option.reasons:
            if name != "face_blend":  # the page has each face's strength below the image
                assert option.help in shown
            for text in (*option.names.values(), *(option.ends or ())):
                assert text in shown
            heading = page.locator(f".group:has(> [data-setting={name}]) > h3")
            assert heading.all_text_contents() in ([], [option.group])


def test_model_panel_says_where_files_go_and_what_their_licence_means(
    page: Any, demo_photo: Path
) -> None:
    give(page, demo_photo)
    page.click("#add-model")
    dialog = page.locator("#models-dialog")
    dialog.get_by_text("Apache-2.0").wait_for()
    assert "gpen/models" in dialog.inner_text()
    assert "Apache-2.0" in dialog.inner_text()
    assert "non-commercial" in dialog.inner_text()
    dialog.get_by_role("button", name="Look again").click()
    dialog.get_by_text("Nothing new was found.").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.wait_for_function("() => document.activeElement.id === 'add-model'")


def test_phone_has_no_sideways_scrolling(visit: Visit, photo_with_two_faces: Path) -> None:
    page = visit.open()
    page.set_viewport_size(PHONE)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    give(page, photo_with_two_faces, photo_with_two_faces)
    wait_for_states(page, "done", "done")
    page.click("details.more > summary")
    assert page.evaluate(fits)
    page.click("#add-model")
    assert page.evaluate(fits)
    assert page.locator("#models-dialog").bounding_box()["x"] >= 0


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_jumps_when_a_result_comes(
    page: Any, demo_photo: Path, size: dict[str, int]
) -> None:
    page.set_viewport_size(size)
    held: list[Any] = []
    page.route("**/v1/photos", lambda route: held.append(route))  # noqa: PLW0108
    give(page, demo_photo)
    page.wait_for_function("() => document.querySelector('.frame.alone img')?.complete")
    page.wait_for_timeout(300)
    page.evaluate("""() => {
      window.shifted = 0;
      new PerformanceObserver((list) => list.getEntries().forEach(
        (one) => { window.shifted += one.value; })).observe({type: "layout-shift"});
    }""")
    held[0].continue_()
    wait_for_states(page, "done")
    wait_for_shown(page, "of=after")
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifted") < 0.005


def test_theme_follows_the_system_until_one_is_chosen(visit: Visit, page: Any) -> None:
    light = """() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor
      .match(/[\\d.]+/g).map(Number); return (r + g + b) / 3; }"""
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(light) < 40
    page.emulate_media(color_scheme="light")
    assert page.evaluate(light) > 220
    page.get_by_role("button", name="Use dark colours").click()
    assert page.evaluate(light) < 40
    page.reload()
    assert page.evaluate(light) < 40
    assert page.get_by_role("button", name="Use light colours").is_visible()


def test_reduced_motion_is_kept_to(page: Any) -> None:
    moving = "getComputedStyle(document.querySelector('.primary')).transitionDuration"
    assert page.evaluate(moving) != "0s"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == "0s"


def test_page_is_small(page: Any) -> None:
    sizes = page.evaluate("""[...performance.getEntriesByType("navigation"),
      ...performance.getEntriesByType("resource")].filter((one) => !one.name.includes("/v1/"))
      .map((one) => one.decodedBodySize)""")
    assert 20_000 < sum(sizes) < 150_000
