"""The extension for Stable Diffusion WebUI keeps WebUI's contract, older and newer."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from shutil import copyfile

import cv2
import numpy as np
import PIL.Image
import pytest

import gpen
from gpen.options import options_of
from support.pointwise import write_pointwise_model
from support.webui_host import WebUI


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, negative_model: Path):
    """Starts a WebUI with a network named "negative" in models/GPEN."""

    def started(*, newer: bool) -> WebUI:
        folder = tmp_path / "models" / "GPEN"
        folder.mkdir(parents=True)
        copyfile(negative_model, folder / "negative.onnx")
        return WebUI(monkeypatch, tmp_path, newer=newer)

    return started


@pytest.fixture(params=[False, True], ids=["older", "newer"])
def any_webui(request: pytest.FixtureRequest, start) -> WebUI:
    """A WebUI of each kind, for what touches the interface in which they differ."""
    return start(newer=request.param)


@pytest.fixture
def webui(start) -> WebUI:
    return start(newer=True)


@pytest.fixture
def photo(demo_photo: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(demo_photo)), cv2.COLOR_BGR2RGB)


def _controls() -> object:
    return sys.modules["gpen_webui.controls"]


def test_every_setting_has_a_control_or_a_reason(webui: WebUI) -> None:
    webui.load()
    controls = _controls()
    fields = {field.name for field in dataclasses.fields(gpen.Settings)}
    assert set(controls.CONTROLS) | set(controls.NOT_APPLICABLE) == fields
    assert not set(controls.CONTROLS) & set(controls.NOT_APPLICABLE)
    assert all(controls.NOT_APPLICABLE.values())


def test_every_choice_and_default_is_a_value_that_gpen_takes(webui: WebUI) -> None:
    webui.load()
    controls = _controls()
    for name, control in controls.CONTROLS.items():
        options = control.options()
        ends = [options[end] for end in ("minimum", "maximum") if end in options]
        for value in [controls.default(name), *options.get("choices", []), *ends]:
            given = [value] if control.component == "CheckboxGroup" and value else value
            settings = controls.settings({name: given})
            if value or value is False:
                assert getattr(settings, name) == value


def test_controls_follow_the_table(webui: WebUI) -> None:
    webui.load()
    controls = _controls()
    for name, option in options_of(gpen.Settings).items():
        if name in controls.NOT_APPLICABLE:
            assert option.reasons["webui"] == controls.NOT_APPLICABLE[name]
            continue
        control = controls.CONTROLS[name]
        assert control.label in (
            option.label,
            f"{option.label} ({option.unit})",
            option.help_at("webui"),
        )
        shown = control.options()
        if option.choices:
            assert tuple(shown["choices"]) == option.choices
        if option.maximum is not None:
            limits = option.minimum, option.maximum, option.step
            assert tuple(shown[end] for end in ("minimum", "maximum", "step")) == limits


def test_it_stands_once_among_the_restorers_after_reloads(any_webui: WebUI, tmp_path: Path) -> None:
    for _ in range(3):
        any_webui.load()
    names = [known.name() for known in any_webui.shared.face_restorers]
    assert names == ["None", "GPEN"]
    assert any_webui.restorer().cmd_dir == str(tmp_path / "models" / "GPEN")


def test_restoring_changes_the_face_and_nothing_else(any_webui: WebUI, photo: np.ndarray) -> None:
    any_webui.load()
    any_webui.shared.opts.gpen_model = "negative"
    before = photo.copy()
    after = any_webui.restorer().restore(photo)
    assert (after.dtype, after.shape) == (np.uint8, photo.shape)
    np.testing.assert_array_equal(photo, before)
    changed = (after != before).any(axis=2)
    assert changed[125, 224]
    assert not changed[:, :20].any()
    assert any_webui.messages == []


def test_the_settings_page_steers_the_restorer(webui: WebUI, photo: np.ndarray) -> None:
    webui.load()
    webui.shared.opts.gpen_model = "negative"
    full = webui.restorer().restore(photo)
    webui.shared.opts.gpen_blend = 0.5
    half = webui.restorer().restore(photo)
    nose = 125, 224
    middle = (full[nose].astype(float) + photo[nose]) / 2
    np.testing.assert_allclose(half[nose], middle, atol=1)
    webui.shared.opts.gpen_min_face = 500
    np.testing.assert_array_equal(webui.restorer().restore(photo), photo)


def test_the_page_shows_each_row_once_with_a_list_that_is_looked_up_anew(
    webui: WebUI, tmp_path: Path, negative_model: Path
) -> None:
    webui.load()
    webui.load()
    rows = webui.shared.opts.rows
    assert set(rows) == {f"gpen_{name}" for name in _controls().at("page")}
    assert {row.section for row in rows.values()} == {("gpen", "GPEN")}
    assert {row.category_id for row in rows.values()} == {"postprocessing"}
    for row in rows.values():
        arguments = row.component_args() if callable(row.component_args) else row.component_args
        row.component(value=row.default, label=row.label, **arguments)
    assert rows["gpen_model"].component_args()["choices"] == ["gpen-default-256", "negative"]
    copyfile(negative_model, tmp_path / "models" / "GPEN" / "another.onnx")
    assert "another" in rows["gpen_model"].component_args()["choices"]


def test_files_in_the_folders_of_other_restorers_are_found(
    webui: WebUI, tmp_path: Path, negative_model: Path, photo: np.ndarray
) -> None:
    for name in ("facerestore_models", "GFPGAN"):
        (tmp_path / "models" / name).mkdir()
        copyfile(negative_model, tmp_path / "models" / name / f"in {name}.onnx")
    webui.load()
    choices = webui.shared.opts.rows["gpen_model"].component_args()["choices"]
    assert {"in facerestore_models", "in GFPGAN"} <= set(choices)
    webui.shared.opts.gpen_model = "in GFPGAN"
    assert (webui.restorer().restore(photo) != photo).any()


@pytest.mark.parametrize("size", [256, 512, 1024, pytest.param(2048, marks=pytest.mark.slow)])
def test_networks_of_all_published_sizes_run(
    webui: WebUI, tmp_path: Path, photo: np.ndarray, size: int
) -> None:
    write_pointwise_model(tmp_path / "models" / "GPEN" / f"GPEN-BFR-{size}.onnx", "Neg", size)
    webui.load()
    webui.shared.opts.gpen_model = f"GPEN-BFR-{size}"
    after = webui.restorer().restore(photo)
    assert after.shape == photo.shape
    assert after[125, 224].tolist() != photo[125, 224].tolist()


def _told(webui: WebUI, capsys: pytest.CaptureFixture[str]) -> str:
    """What the user reads in WebUI's console."""
    if webui.newer:
        return "\n".join(message for message, _ in webui.messages)
    return capsys.readouterr().err


def test_an_unknown_model_is_told_and_the_picture_returned(
    any_webui: WebUI, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    any_webui.load()
    any_webui.shared.opts.gpen_model = "GPEN-BFR-4096"
    assert any_webui.restorer().restore(photo) is photo
    told = _told(any_webui, capsys)
    assert "GPEN: the image was left as it is: no model 'GPEN-BFR-4096'" in told
    assert "Traceback" not in told


def test_whatever_goes_wrong_generation_goes_on(
    any_webui: WebUI, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object, **__: object) -> None:
        raise RuntimeError("out of everything")

    any_webui.load()
    monkeypatch.setattr(gpen.Restorer, "restore", burst)
    image = np.zeros((8, 8, 3), np.uint8)
    assert any_webui.restorer().restore(image) is image
    assert "out of everything" in _told(any_webui, capsys)
    assert not any_webui.newer or any_webui.messages[0][1], "no traceback"
    assert any_webui.restorer().restore("no image") == "no image"


def test_networks_are_kept_unless_webui_unloads_restorers(
    webui: WebUI, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    load = gpen.Restorer.load
    monkeypatch.setattr(gpen.Restorer, "load", lambda self: (opened.append(1), load(self)))
    webui.load()
    webui.shared.opts.gpen_model = "negative"
    for _ in range(2):
        webui.restorer().restore(photo)
    assert (len(opened), webui.collected) == (1, 0)
    webui.shared.opts.face_restoration_unload = True
    for _ in range(2):
        webui.restorer().restore(photo)
    assert (len(opened), webui.collected) == (2, 2)


@pytest.mark.parametrize("use_cpu", [("all",), ("gpen", "interrogate")])
def test_use_cpu_is_obeyed(
    use_cpu: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = WebUI(monkeypatch, tmp_path, newer=True, use_cpu=use_cpu)
    started.load()
    settings = sys.modules["gpen_webui.restorer"].page_settings
    assert settings().device == "cpu"
    assert settings(device="cuda:1").device == "cuda:1"


def test_extras_restore_and_say_so(any_webui: WebUI, photo: np.ndarray) -> None:
    script = any_webui.load()
    image = PIL.Image.fromarray(photo)
    pp = any_webui.extras(script, image, enable=True, model="negative", blend=0.75)
    assert pp.info == {"GPEN model": "negative", "GPEN visibility": 0.75, "GPEN faces": 1}
    assert pp.image.size == image.size
    assert pp.image.getpixel((224, 125)) != image.getpixel((224, 125))


def test_extras_come_after_the_face_swap_of_reactor(webui: WebUI) -> None:
    assert webui.load().GpenPostprocessing.order > 20000


def test_images_made_are_restored_where_the_box_is_on(any_webui: WebUI, photo: np.ndarray) -> None:
    script, image = any_webui.load(), PIL.Image.fromarray(photo)
    any_webui.shared.opts.gpen_model = "negative"
    made = any_webui.generate(script, image, enable=True, blend=0.75)
    assert made["parameters"] == {
        "GPEN model": "negative",
        "GPEN visibility": 0.75,
        "GPEN faces": 1,
    }
    assert made["image"].getpixel((224, 125)) != image.getpixel((224, 125))
    left = any_webui.generate(script, image)
    assert left == {"image": image, "parameters": {}}


def test_generation_goes_on_whatever_goes_wrong(any_webui: WebUI, photo: np.ndarray) -> None:
    script, image = any_webui.load(), PIL.Image.fromarray(photo)
    any_webui.shared.opts.gpen_model = "GPEN-BFR-4096"
    made = any_webui.generate(script, image, enable=True)
    assert made["image"] is image
    assert "no model 'GPEN-BFR-4096'" in made["parameters"]["GPEN"]


def test_messages_call_options_by_their_labels(
    webui: WebUI, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    webui.load()
    webui.shared.opts.gpen_engine = "onnxruntime"
    webui.shared.opts.gpen_precision = "bf16"
    webui.restorer().restore(photo)
    assert "expected “Precision” f32 or auto" in _told(webui, capsys)


@pytest.mark.parametrize("enable", [False, None])
def test_extras_that_are_off_do_nothing(
    any_webui: WebUI, photo: np.ndarray, enable: bool | None
) -> None:
    image = PIL.Image.fromarray(photo)
    pp = any_webui.extras(any_webui.load(), image, enable=enable)
    assert pp.image is image
    assert pp.info == {}


def test_what_an_api_call_leaves_out_is_as_on_the_settings_page(
    webui: WebUI, photo: np.ndarray
) -> None:
    script = webui.load()
    webui.shared.opts.gpen_model = "negative"
    webui.shared.opts.gpen_blend = 0.3
    pp = webui.extras(script, PIL.Image.fromarray(photo), enable=True)
    assert pp.info["GPEN model"] == "negative"
    assert pp.info["GPEN visibility"] == 0.3


def test_extras_enlarge_and_keep_transparency(webui: WebUI, photo: np.ndarray) -> None:
    alpha = np.full(photo.shape[:2], 128, np.uint8)
    image = PIL.Image.fromarray(np.dstack([photo, alpha]))
    pp = webui.extras(webui.load(), image, enable=True, model="negative", upscale=2)
    assert pp.image.mode == "RGBA"
    assert pp.image.size == (image.width * 2, image.height * 2)
    assert pp.image.getextrema()[3] == (128, 128)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_pictures_of_other_modes_are_restored(webui: WebUI, photo: np.ndarray, mode: str) -> None:
    image = PIL.Image.fromarray(photo).convert(mode)
    pp = webui.extras(webui.load(), image, enable=True, model="negative")
    assert pp.info.get("GPEN model") == "negative"
    assert pp.image.size == image.size


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"model": "nothing"}, "no model 'nothing'"),
        ({"blend": 7}, "blend is 7"),
        ({"min_face": "tall"}, "min_face is 'tall'; expected a number"),
        ({"faces": "../../etc"}, "faces is"),
    ],
)
def test_extras_leave_the_picture_and_say_why(
    any_webui: WebUI,
    photo: np.ndarray,
    values: dict[str, object],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = PIL.Image.fromarray(photo)
    pp = any_webui.extras(any_webui.load(), image, enable=True, **values)
    assert pp.image is image
    assert told in pp.info["GPEN"]
    assert told in _told(any_webui, capsys)


def test_without_gpen_nothing_is_registered_and_the_reason_is_told(
    webui: WebUI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gpen", None)
    webui.load()
    assert [known.name() for known in webui.shared.face_restorers] == ["None"]
    assert "GPEN is absent" in capsys.readouterr().err


def test_the_page_is_built_though_the_folders_cannot_be_read(
    any_webui: WebUI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr(gpen, "list_models", gone)
    script = any_webui.load()
    assert script.GpenPostprocessing().ui()["model"].arguments["choices"] == ["gpen-default-256"]
    assert "could not be read: stale file handle" in _told(any_webui, capsys)


def test_extras_and_the_page_may_use_different_networks(webui: WebUI, photo: np.ndarray) -> None:
    script = webui.load()
    webui.shared.opts.gpen_model = "negative"
    image = PIL.Image.fromarray(photo)
    for _ in range(2):
        pp = webui.extras(script, image, enable=True, model="gpen-default-256")
        own = np.asarray(pp.image)
        negative = webui.restorer().restore(photo)
        assert abs(int(own[125, 224].mean()) - int(photo[125, 224].mean())) < 60
        assert negative[125, 224].tolist() != own[125, 224].tolist()
