"""The ComfyUI nodes keep ComfyUI's conventions, on real images and networks."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from shutil import copyfile
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import gpen
import gpen.model_set
from gpen.options import options_of
from support.comfyui_host import PACK, ROOT, ComfyUI, InterruptedProcessingError
from support.pointwise import write_pointwise_model
from support.project_file import read_project_file
from support.small_networks import TINY_SR, save_safetensors

NOSE = 125, 224


@pytest.fixture
def comfy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, negative_model: Path) -> ComfyUI:
    """A ComfyUI with a network named negative.onnx in models/facerestore_models."""
    folder = tmp_path / "models" / "facerestore_models"
    folder.mkdir(parents=True)
    copyfile(negative_model, folder / "negative.onnx")
    return ComfyUI(monkeypatch, tmp_path / "models")


@pytest.fixture
def image(demo_photo: Path) -> torch.Tensor:
    """IMAGE [1, H, W, 3] with one face; values that 8 bits do not hold."""
    pixels = cv2.cvtColor(cv2.imread(str(demo_photo)), cv2.COLOR_BGR2RGB)
    return torch.from_numpy(pixels.astype(np.float32) / 255 * 0.987).unsqueeze(0)


@pytest.fixture
def model(comfy: ComfyUI) -> Any:
    return comfy.run("GPENLoad", model="negative.onnx")[0]


def _inputs() -> Any:
    return sys.modules["custom_nodes_gpen.inputs"]


def test_every_setting_is_an_input_or_has_a_reason(comfy: ComfyUI) -> None:
    table = _inputs()
    fields = {field.name for field in dataclasses.fields(gpen.Settings)}
    assert set(table.INPUTS) | set(table.NOT_APPLICABLE) == fields
    assert not set(table.INPUTS) & set(table.NOT_APPLICABLE)


def test_every_row_is_shown_by_the_nodes_it_names(comfy: ComfyUI) -> None:
    shown = set()
    for node in comfy.pack.NODE_CLASS_MAPPINGS.values():
        declared = node.INPUT_TYPES()
        shown |= {*declared["required"], *declared.get("optional", {})}
    assert set(_inputs().INPUTS) <= shown


def test_every_choice_and_limit_is_a_value_that_gpen_takes(comfy: ComfyUI) -> None:
    for name, row in _inputs().INPUTS.items():
        kind, options = row.declared(name)
        values = kind if isinstance(kind, list) else [options["default"]]
        for value in [*values, *(options[end] for end in ("min", "max") if end in options)]:
            assert getattr(gpen.Settings(**{name: value}), name) == value
        if isinstance(kind, list):
            assert options["default"] in kind


def test_inputs_follow_the_table_in_the_order_of_saved_workflows(comfy: ComfyUI) -> None:
    table = _inputs()
    for name, option in options_of(gpen.Settings).items():
        if name in table.NOT_APPLICABLE:
            assert option.reasons["comfyui"] == table.NOT_APPLICABLE[name]
            continue
        kind, details = table.INPUTS[name].declared(name)
        assert details["tooltip"] == option.help_at("comfyui")
        assert details["default"] == option.default
        if option.kind == "choice":
            assert tuple(kind) == option.choices
    assert " ".join(table.of(table.RESTORE)) == (
        "blend upscale faces min_face mask match_color face_blend match_grain restore_color keep "
        "occlusion aligned fusion at"
    )
    assert [*table.of(table.LOAD)] == [
        *("model", "detector", "engine", "device", "precision", "embedding"),
        *("background", "background_denoise"),
    ]


def test_the_pack_names_each_node_for_people(comfy: ComfyUI) -> None:
    pack = comfy.pack
    assert set(pack.NODE_CLASS_MAPPINGS) == set(pack.NODE_DISPLAY_NAME_MAPPINGS)
    for node in pack.NODE_CLASS_MAPPINGS.values():
        assert node.CATEGORY == "GPEN"
        assert callable(getattr(node, node.FUNCTION))
        assert len(getattr(node, "RETURN_NAMES", node.RETURN_TYPES)) == len(node.RETURN_TYPES)


def test_restoring_changes_the_face_and_leaves_every_other_value(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    before = image.clone()
    after, mask = comfy.run("GPENRestore", facerestore_model=model, image=image)
    assert torch.equal(image, before)
    assert after.shape == image.shape
    assert mask.shape == image.shape[:3]
    assert mask[(0, *NOSE)] > 0.99
    assert not torch.allclose(after[(0, *NOSE)], image[(0, *NOSE)], atol=0.05)
    assert torch.equal(after[mask == 0], image[mask == 0])
    assert 0.02 < mask.mean() < 0.5


def test_settings_reach_the_picture(comfy: ComfyUI, model: Any, image: torch.Tensor) -> None:
    def run(**options: Any) -> torch.Tensor:
        return comfy.run("GPENRestore", facerestore_model=model, image=image, **options)[0]

    full = run()
    assert torch.equal(run(blend=0.0), image)
    assert torch.equal(run(min_face=400.0), image)
    assert torch.equal(run(faces="7"), image)
    middle = (full[(0, *NOSE)] + image[(0, *NOSE)]) / 2
    assert torch.allclose(run(blend=0.5)[(0, *NOSE)], middle, atol=0.01)
    assert (run(mask="box") != image).sum() > (full != image).sum()


def test_a_batch_is_restored_picture_by_picture(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    batch = torch.cat([image, torch.full_like(image, 0.3), image.flip(2)])
    after, mask = comfy.run("GPENRestore", facerestore_model=model, image=batch)
    (bar,) = comfy.bars
    assert (bar.total, bar.done) == (3, 3)
    assert torch.equal(after[1], batch[1])
    assert mask.amax((1, 2)).round().tolist() == [1, 0, 1]
    alone, _ = comfy.run("GPENRestore", facerestore_model=model, image=batch[2:])
    assert torch.equal(after[2:], alone)


def test_cancel_stops_between_pictures(comfy: ComfyUI, model: Any, image: torch.Tensor) -> None:
    comfy.cancel_after = 1
    with pytest.raises(InterruptedProcessingError):
        comfy.run("GPENRestore", facerestore_model=model, image=image.repeat(3, 1, 1, 1))
    (bar,) = comfy.bars
    assert bar.done == 1


def test_pictures_are_enlarged_with_their_masks(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    after, mask = comfy.run("GPENRestore", facerestore_model=model, image=image, upscale=2)
    _, height, width, _ = image.shape
    assert after.shape == (1, height * 2, width * 2, 3)
    assert mask.shape == (1, height * 2, width * 2)
    assert mask[0, NOSE[0] * 2, NOSE[1] * 2] > 0.99


def test_crops_that_are_aligned_already_are_restored_whole(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    after, mask = comfy.run("GPENRestore", facerestore_model=model, image=image, aligned=True)
    assert after.shape == (1, 64, 64, 3)
    assert (mask == 1).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_are_restored(
    comfy: ComfyUI, model: Any, image: torch.Tensor, channels: int
) -> None:
    picture = torch.cat([image, torch.full_like(image[..., :1], 0.5)], 3)[..., :channels]
    after, _ = comfy.run("GPENRestore", facerestore_model=model, image=picture)
    assert after.shape == (*image.shape[:3], 4 if channels == 4 else 3)
    if channels == 4:
        assert torch.equal(after[..., 3], picture[..., 3])


def test_values_that_are_no_numbers_do_no_harm(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    broken = image.clone()
    broken[0, :10] = float("nan")
    broken[0, 10:20] = 7
    pixels = sys.modules["custom_nodes_gpen.image_tensors"].to_pixels(broken[0])
    assert (pixels[:10] == 0).all()
    assert (pixels[10:20] == 65535).all()


def test_faces_found_once_are_used_again(comfy: ComfyUI, model: Any, image: torch.Tensor) -> None:
    faces, mask, count, text = comfy.run("GPENDetect", facerestore_model=model, image=image)
    assert count == 1
    assert mask[(0, *NOSE)] > 0.99
    ((face,),) = json.loads(text)
    assert {"box_xyxy", "points_xy", "score"} <= set(face)
    alone, _ = comfy.run("GPENRestore", facerestore_model=model, image=image)
    given, _ = comfy.run("GPENRestore", facerestore_model=model, image=image, found=faces)
    assert torch.equal(alone, given)
    none, _ = comfy.run("GPENRestore", facerestore_model=model, image=image, found=[[]])
    assert torch.equal(none, image)
    with pytest.raises(gpen.SettingsError, match="found in 1 images, but there are 2"):
        comfy.run(
            "GPENRestore",
            facerestore_model=model,
            image=image.repeat(2, 1, 1, 1),
            found=faces,
        )


def test_detecting_opens_no_restorer(
    comfy: ComfyUI, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpen.model_set, "open_engine", lambda *_, **__: pytest.fail("opened"))
    (model,) = comfy.run("GPENLoad", model="gpen-default-256")
    comfy.run("GPENDetect", facerestore_model=model, image=image)


def test_settings_of_one_node_do_not_reach_another(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    before, _ = comfy.run("GPENRestore", facerestore_model=model, image=image)
    comfy.run("GPENRestore", facerestore_model=model, image=image, blend=0.2, aligned=True)
    after, _ = comfy.run("GPENRestore", facerestore_model=model, image=image)
    assert torch.equal(before, after)


def test_networks_are_opened_once_for_all_nodes(
    comfy: ComfyUI, model: Any, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    open_engine = gpen.model_set.open_engine
    monkeypatch.setattr(
        gpen.model_set, "open_engine", lambda *a, **k: (opened.append(1), open_engine(*a, **k))[1]
    )
    for blend in (1.0, 0.5):
        comfy.run("GPENRestore", facerestore_model=model, image=image, blend=blend)
    comfy.run("GPENCrop", facerestore_model=model, image=image)
    assert len(opened) == 1


def test_crop_and_paste_are_restoring_in_two_steps(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    crops, places = comfy.run("GPENCrop", facerestore_model=model, image=image)
    assert crops.shape == (1, 64, 64, 3)
    same, _ = comfy.run("GPENPaste", image=image, crops=crops, places=places)
    assert torch.equal(same, image)
    pasted, mask = comfy.run("GPENPaste", image=image, crops=1 - crops, places=places)
    whole, whole_mask = comfy.run("GPENRestore", facerestore_model=model, image=image, fusion=False)
    assert torch.equal(mask, whole_mask)
    assert torch.allclose(pasted, whole, atol=1e-3)


def test_crops_enlarged_by_another_node_are_pasted(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    crops, places = comfy.run("GPENCrop", facerestore_model=model, image=image)
    larger = crops.repeat_interleave(2, 1).repeat_interleave(2, 2)
    pasted, _ = comfy.run("GPENPaste", image=image, crops=larger, places=places)
    assert torch.allclose(pasted, image, atol=1e-3)


def test_pasting_keeps_transparency(comfy: ComfyUI, model: Any, image: torch.Tensor) -> None:
    picture = torch.cat([image, torch.rand_like(image[..., :1])], 3)
    crops, places = comfy.run("GPENCrop", facerestore_model=model, image=picture)
    pasted, _ = comfy.run("GPENPaste", image=picture, crops=1 - crops, places=places)
    assert torch.equal(pasted[..., 3], picture[..., 3])
    opaque, _ = comfy.run("GPENPaste", image=image, crops=1 - crops, places=places)
    assert torch.equal(pasted[..., :3], opaque)


def test_pictures_without_faces_pass_through_crop_and_paste(comfy: ComfyUI, model: Any) -> None:
    empty = torch.full((2, 80, 90, 3), 0.25)
    crops, places = comfy.run("GPENCrop", facerestore_model=model, image=empty)
    assert crops.shape == (1, 64, 64, 3)
    pasted, mask = comfy.run("GPENPaste", image=empty, crops=crops, places=places)
    assert torch.equal(pasted, empty)
    assert (mask == 0).all()


def test_crops_of_another_number_are_refused(
    comfy: ComfyUI, model: Any, image: torch.Tensor
) -> None:
    crops, places = comfy.run("GPENCrop", facerestore_model=model, image=image)
    with pytest.raises(gpen.SettingsError, match="2 crops for 1 places"):
        comfy.run("GPENPaste", image=image, crops=crops.repeat(2, 1, 1, 1), places=places)


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_other_face_restore_nodes_can_use_the_model(
    comfy: ComfyUI, tmp_path: Path, size: int
) -> None:
    """As facerestore_cf does: 512 px in [-1, 1], `w`, first of the output, whatever the network."""
    write_pointwise_model(tmp_path / "models/facerestore_models" / "n.onnx", "Neg", size)
    (model,) = comfy.run("GPENLoad", model="n.onnx")
    assert model.to(torch.device("cpu")) is model
    assert model.eval() is model
    ramp = torch.linspace(-1, 1, 512)
    x = ramp.expand(1, 3, 512, 512).contiguous()
    with torch.no_grad():
        output = model(x, w=0.5)[0]
    assert (output.shape, output.dtype, output.device) == (x.shape, x.dtype, x.device)
    assert torch.allclose(output, -x, atol=0.02)
    assert model(x.half(), w=1)[0].dtype == torch.float16


def test_super_resolution_networks_work_in_other_nodes_too(comfy: ComfyUI, tmp_path: Path) -> None:
    save_safetensors(TINY_SR, tmp_path / "models/facerestore_models" / "sr.safetensors")
    (model,) = comfy.run("GPENLoad", model="sr.safetensors")
    assert model(torch.zeros(1, 3, 512, 512), w=0.5)[0].shape == (1, 3, 512, 512)


def test_files_of_all_of_comfyuis_folders_are_offered(
    comfy: ComfyUI, tmp_path: Path, negative_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra, own, environment = (tmp_path / name for name in ("extra", "models/GPEN", "more"))
    for number, folder in enumerate((extra, own, environment)):
        folder.mkdir()
        copyfile(negative_model, folder / f"{number}.onnx")
        (folder / "notes.txt").touch()
    # Another pack takes over the key, with its own set of suffixes, as facerestore_cf does.
    comfy.folders["facerestore_models"] = ([str(extra)], {".pth"})
    monkeypatch.setenv("GPEN_MODELS", str(environment))
    offered = comfy.node("GPENLoad").INPUT_TYPES()["required"]["model"][0]
    assert offered == ["gpen-default-256", "0.onnx", "1.onnx", "2.onnx", "negative.onnx"]
    for name in offered[1:]:
        assert comfy.run("GPENLoad", model=name)[0] is not None


def test_menus_survive_a_folder_that_is_gone(comfy: ComfyUI, tmp_path: Path) -> None:
    comfy.folders["facerestore_models"] = ([str(tmp_path / "gone")], set())
    assert comfy.node("GPENLoad").INPUT_TYPES()["required"]["model"][0][0] == "gpen-default-256"


def test_a_file_that_is_no_restorer_is_refused_where_it_was_chosen(
    comfy: ComfyUI, tmp_path: Path
) -> None:
    (tmp_path / "models/facerestore_models" / "page.pth").write_text("<!doctype html>")
    with pytest.raises(gpen.WeightsError, match=r"page\.pth is a web page"):
        comfy.run("GPENLoad", model="page.pth")


def test_models_of_other_packs_are_refused_by_our_nodes(
    comfy: ComfyUI, image: torch.Tensor
) -> None:
    with pytest.raises(gpen.SettingsError, match="expected one of Load GPEN Model"):
        comfy.run("GPENRestore", facerestore_model=SimpleNamespace(), image=image)


@pytest.mark.parametrize(("device", "expected"), [("cpu", "cpu"), ("meta", "auto")])
def test_auto_is_the_cpu_where_comfyui_runs_on_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, expected: str
) -> None:
    comfy = ComfyUI(monkeypatch, tmp_path / "models", device=device)
    (model,) = comfy.run("GPENLoad", model="gpen-default-256", device="auto")
    assert model._restorer.settings.device == expected


def test_the_example_workflow_fits_the_nodes(comfy: ComfyUI) -> None:
    workflow = json.loads((PACK / "example_workflows" / "restore_faces.json").read_text())
    nodes = {node["id"]: node for node in workflow["nodes"]}
    ours = [node for node in nodes.values() if node["type"].startswith("GPEN")]
    assert ours
    for node in ours:
        _fits(node, comfy.node(node["type"]))
    for number, source, out, target, into, kind in workflow["links"]:
        assert nodes[source]["outputs"][out]["type"] == kind
        assert number in nodes[source]["outputs"][out]["links"]
        assert nodes[target]["inputs"][into] == {
            "name": nodes[target]["inputs"][into]["name"],
            "type": kind,
            "link": number,
        }


def _fits(node: dict[str, Any], kind: Any) -> None:
    """Sockets, widgets and their values of a saved node are those of its class, in its order."""
    declared = kind.INPUT_TYPES()
    rows = {**declared["required"], **declared.get("optional", {})}
    is_socket = {
        name: isinstance(row[0], str) and row[0] not in ("STRING", "FLOAT", "INT", "BOOLEAN")
        for name, row in rows.items()
    }
    sockets = [(name, rows[name][0]) for name in rows if is_socket[name]]
    assert [(entry["name"], entry["type"]) for entry in node["inputs"]] == sockets
    assert [entry["type"] for entry in node["outputs"]] == list(kind.RETURN_TYPES)
    widgets = [name for name in rows if not is_socket[name]]
    values = dict(zip(widgets, node["widgets_values"], strict=True))
    for name, value in values.items():
        assert value == rows[name][1]["default"]
        assert type(value) is type(rows[name][1]["default"])


def test_the_example_workflow_opens_a_photo_with_a_face(comfy: ComfyUI, tmp_path: Path) -> None:
    workflow = json.loads((PACK / "example_workflows" / "restore_faces.json").read_text())
    (loader,) = [node for node in workflow["nodes"] if node["type"] == "LoadImage"]
    photo = tmp_path / "input" / loader["widgets_values"][0]
    assert len(gpen.restore(photo).faces) == 1
    photo.write_text("the user's own")
    sys.modules["custom_nodes_gpen.example"].place_photo(Path("another.jpg"))
    assert photo.read_text() == "the user's own"


def test_messages_call_options_by_the_names_of_inputs(comfy: ComfyUI, image: torch.Tensor) -> None:
    (model,) = comfy.run(
        "GPENLoad", model="gpen-default-256", engine="onnxruntime", precision="bf16"
    )
    with pytest.raises(gpen.EngineError, match=r"no bf16 switch; expected precision f32 or auto$"):
        comfy.run("GPENRestore", facerestore_model=model, image=image)


def test_comfyuis_own_loader_of_upscale_models_is_told_of_gpen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known: list[Any] = []
    spandrel = ModuleType("spandrel")
    spandrel.Architecture = type("Architecture", (), {"__init__": lambda self, **_: None})
    spandrel.ArchSupport = SimpleNamespace(from_architecture=lambda architecture: architecture)
    spandrel.MAIN_REGISTRY = SimpleNamespace(add=lambda support, **_: known.append(support))
    monkeypatch.setitem(sys.modules, "spandrel", spandrel)
    monkeypatch.delitem(sys.modules, "gpen.integrations.spandrel", raising=False)
    ComfyUI(monkeypatch, tmp_path / "models")
    assert [type(architecture).__name__ for architecture in known] == ["GPENArch"]
    monkeypatch.delitem(sys.modules, "gpen.integrations.spandrel")


def test_the_repository_is_what_the_registry_publishes() -> None:
    assert {"PublisherId", "DisplayName"} <= set(read_project_file(ROOT)["tool"]["comfy"])
