"""ONNX files of other programs run here, and gpen's run there.

"There" is each program's way of feeding a face to ONNX Runtime, written down from its interface.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

import gpen
from gpen.face_templates import TEMPLATES
from gpen.faces.alignment import align_face
from gpen.images.transforms import invert, warp
from gpen.integrations.peers import SIZES, export_for, file_name
from gpen.integrations.peers import TEMPLATES as TEMPLATE_OF
from gpen.models.safetensors import write_safetensors
from support.small_networks import (
    TINY,
    TINY_SR,
    TINY_SUBPIXEL,
    published,
    random_tensors,
    save_safetensors,
)

FaceBgr = np.ndarray


def reactor_size(name: str) -> int:
    """The side of the crops that ReActor feeds a file of this name, in pixels."""
    found = re.search(r"1024|2048", name)
    return int(found[0]) if found else 512


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Small random GPEN networks of the published sizes, for the template that programs feed."""
    folder = tmp_path_factory.mktemp("weights")

    def of_size(size: int) -> Path:
        path = folder / f"random-{size}.safetensors"
        if not path.exists():
            tensors = random_tensors(published(size, widest=64))
            write_safetensors(tensors, path, {"gpen.template": "ffhq_512"})
        return path

    return of_size


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def facefusion(path: Path, face: FaceBgr) -> FaceBgr:
    """Inputs by name, a weight only where there is such an input, first output."""
    session = _session(path)
    crop = (face[:, :, ::-1] / 255.0 - 0.5) / 0.5
    known = {
        "input": np.expand_dims(crop.transpose(2, 0, 1), 0).astype(np.float32),
        "weight": np.array([0.5]).astype(np.double),
    }
    feed = {value.name: known[value.name] for value in session.get_inputs()}
    return _to_bgr(session.run(None, feed)[0][0])


def reactor(path: Path, face: FaceBgr) -> FaceBgr:
    """Crops of a size that follows from the file's name, first input, first output."""
    assert face.shape[0] == reactor_size(path.name)
    session = _session(path)
    crop = ((face.astype(np.float32)[:, :, ::-1] / 255.0).transpose(2, 0, 1) - 0.5) / 0.5
    feed = {session.get_inputs()[0].name: crop[None].astype(np.float32)}
    return _to_bgr(session.run(None, feed)[0][0])


def visomaster(path: Path, face: FaceBgr) -> FaceBgr:
    """Memory bound to the names "input" and "output" at a fixed shape."""
    session = _session(path)
    size = face.shape[0]
    crop = np.ascontiguousarray(face[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
    crop = crop / np.float32(127.5) - 1
    output = np.empty((1, 3, size, size), np.float32)
    binding = session.io_binding()
    for bind, name, array in (
        (binding.bind_input, "input", crop),
        (binding.bind_output, "output", output),
    ):
        bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    session.run_with_iobinding(binding)
    return _to_bgr(output[0])


def _to_bgr(output: np.ndarray) -> FaceBgr:
    assert output.dtype == np.float32
    pixels = (np.clip(output, -1, 1) + 1) / 2 * 255
    return pixels.round().astype(np.uint8).transpose(1, 2, 0)[:, :, ::-1]


PROGRAMS = {"facefusion": facefusion, "reactor": reactor, "visomaster": visomaster}


def _face(size: int) -> FaceBgr:
    """A smooth image with all values, BGR."""
    row = np.linspace(0, 255, size)
    channels = (row[None, :] + 0 * row[:, None], row[:, None] + 0 * row[None, :])
    image = np.stack([*channels, (channels[0] + channels[1]) / 2], axis=2)
    return np.ascontiguousarray(image.round().astype(np.uint8))


def _here(path: Path, face: FaceBgr) -> FaceBgr:
    """The same face restored by gpen, BGR."""
    restored = gpen.Restorer(
        model=str(path), aligned=True, fusion=False, engine="onnxruntime", precision="f32"
    ).restore(np.ascontiguousarray(face[:, :, ::-1]))
    return restored.photo.pixels[:, :, ::-1]


CASES = [
    pytest.param(program, size, marks=[pytest.mark.slow] if size > 512 else [])
    for program, sizes in SIZES.items()
    for size in sizes
]


@pytest.mark.parametrize(("program", "size"), CASES)
def test_what_is_exported_runs_there_and_does_the_same(
    program: Any, size: int, weights: Callable[[int], Path], tmp_path: Path
) -> None:
    path = export_for(program, weights(size), tmp_path)
    face = _face(size)
    there, here = PROGRAMS[program](path, face), _here(weights(size), face)
    assert there.shape == (size, size, 3)
    assert np.abs(there.astype(int) - here).max() <= 1
    assert np.std(there) > 5, "a flat answer proves nothing"


@pytest.mark.parametrize("program", PROGRAMS)
def test_sub_pixel_networks_run_there_and_do_the_same(program: Any, tmp_path: Path) -> None:
    net = replace(TINY_SUBPIXEL, size=512, in_size=512, channels=(8, 8, 8, 8, 6, 4))
    source, face = tmp_path / "own.safetensors", _face(512)
    write_safetensors(random_tensors(net), source, {"gpen.template": "ffhq_512"})
    path = export_for(program, source, tmp_path)
    there, here = PROGRAMS[program](path, face), _here(source, face)
    assert np.abs(there.astype(int) - here).max() <= 1
    assert np.std(there.astype(int) - face) > 5, "an unchanged face proves nothing"


@pytest.fixture(scope="module")
def swapped_face(portrait: Path, demo_points: np.ndarray) -> tuple[FaceBgr, FaceBgr]:
    """What facefusion and ReActor feed after a swap of 128 px, and what it should become."""
    image = cv2.cvtColor(cv2.imread(str(portrait)), cv2.COLOR_BGR2RGB)
    truth = align_face(image, demo_points, size=512, template="ffhq_512").pixels[:, :, ::-1]
    small = cv2.resize(truth, (128, 128), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC), truth


def _as_gpen_does(face: FaceBgr, model: gpen.Restorer) -> np.ndarray:
    """The face with gpen's own restoration of its own crop, pasted back by difference; BGR."""
    points_xy = TEMPLATES["ffhq_512"] * 512
    pixels = np.ascontiguousarray(face[:, :, ::-1])
    crop = align_face(pixels, points_xy, size=model.model.size)
    change = model.restore(crop.pixels).photo.pixels.astype(np.float32) - crop.pixels
    back = warp(change, invert(crop.crop_from_image), (512, 512))
    return np.clip(face + back[:, :, ::-1], 0, 255)


@pytest.mark.parametrize("program", TEMPLATE_OF)
def test_the_default_model_restores_the_crops_of_programs_as_gpen_would(
    program: Any, swapped_face: tuple[FaceBgr, FaceBgr], tmp_path: Path
) -> None:
    """Fed with another template, it draws a second pair of eyes below the first."""
    face, truth = swapped_face
    there = PROGRAMS[program](export_for(program, gpen.Settings().model, tmp_path), face)
    here = _as_gpen_does(
        face, gpen.Restorer(aligned=True, fusion=False, engine="onnxruntime", precision="f32")
    )
    assert np.abs(there - here).mean() < 0.5
    assert np.abs(here - face).mean() > 2, "an unchanged face proves nothing"
    for x, y in (TEMPLATES["ffhq_512"][:2] * 512).round().astype(int):
        eye = slice(y - 30, y + 60), slice(x - 45, x + 45)
        assert np.abs(there[eye] - here[eye]).mean() < 1
        assert np.abs(there[eye].astype(float) - truth[eye]).mean() < 12


def test_detail_finer_than_the_network_stays(
    swapped_face: tuple[FaceBgr, FaceBgr], tmp_path: Path
) -> None:
    path = export_for("facefusion", gpen.Settings().model, tmp_path)
    face = np.clip(swapped_face[0], 20, 235)
    checks = (np.indices((512, 512)).sum(0) % 2 * 12 - 6)[:, :, None]
    plain, fine = facefusion(path, face), facefusion(path, (face + checks).astype(np.uint8))
    middle = slice(60, 450)
    left = (fine.astype(int) - plain)[middle, middle]
    assert np.abs(left - checks[middle, middle]).mean() < 1


def test_what_was_written_for_a_program_runs_here_with_its_template(tmp_path: Path) -> None:
    path = export_for("reactor", gpen.Settings().model, tmp_path)
    info = gpen.find_model(path.stem, tmp_path)
    assert (info.usable, info.size, info.template) == (True, 512, "ffhq_512")
    with pytest.raises(gpen.WeightsError, match="was not written by gpen"):
        gpen.convert(path, tmp_path / "weights.safetensors")


@pytest.mark.parametrize(("program", "size"), [(p, s) for p in SIZES for s in SIZES[p]])
def test_the_graph_keeps_the_contract(
    program: Any, size: int, weights: Callable[[int], Path], tmp_path: Path
) -> None:
    model = onnx.load(export_for(program, weights(size), tmp_path))
    (first,), (last,) = model.graph.input, model.graph.output
    assert (first.name, last.name) == ("input", "output")
    for port in (first, last):
        assert port.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert [d.dim_value for d in port.type.tensor_type.shape.dim] == [1, 3, size, size]


def test_facefusion_gets_its_hash_and_others_do_not(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    path = export_for("facefusion", weights(256), tmp_path, half=True)
    assert path.name == "gpen_bfr_512.onnx"
    text = (tmp_path / "gpen_bfr_512.hash").read_text()
    assert text == f"{zlib.crc32(path.read_bytes()):08x}"
    other = tmp_path / "other"
    other.mkdir()
    export_for("visomaster", weights(256), other)
    assert [file.name for file in other.iterdir()] == ["GPEN-BFR-256.onnx"]


@pytest.mark.parametrize("size", SIZES["reactor"])
def test_reactor_reads_the_size_off_the_name_that_is_written(size: int) -> None:
    assert reactor_size(file_name("reactor", size)) == size


def test_reactor_feeds_512_px_to_files_of_other_names() -> None:
    assert reactor_size("GPEN-BFR-256.onnx") == 512
    assert reactor_size("my restorer.onnx") == 512


@pytest.mark.parametrize(
    ("program", "size", "message"),
    [
        ("reactor", 4096, "reactor runs no GPEN network of 4096 px; expected at most 2048"),
        ("visomaster", 128, "visomaster runs no GPEN network of 128 px; expected 256, 512, 1024"),
        ("roop", 512, "program is 'roop'; expected one of facefusion, reactor, visomaster"),
    ],
)
def test_what_would_not_run_there_is_refused(program: Any, size: int, message: str) -> None:
    with pytest.raises(gpen.SettingsError, match=message):
        file_name(program, size)


def test_networks_of_odd_sizes_and_super_resolution_are_refused(tmp_path: Path) -> None:
    tiny = save_safetensors(TINY, tmp_path / "tiny.safetensors")
    larger = save_safetensors(TINY_SR, tmp_path / "sr.safetensors")
    with pytest.raises(gpen.SettingsError, match="no GPEN network of 32 px"):
        export_for("visomaster", tiny, tmp_path)
    with pytest.raises(gpen.WeightsError, match="takes 16 px and returns 64"):
        export_for("facefusion", larger, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_of_the_programs_own_is_overwritten(
    weights: Callable[[int], Path], tmp_path: Path
) -> None:
    for name in ("gpen_bfr_512.onnx", "gpen_bfr_512.hash"):
        (tmp_path / name).write_text("theirs")
        with pytest.raises(gpen.OutputExistsError):
            export_for("facefusion", weights(256), tmp_path)
        assert (tmp_path / name).read_text() == "theirs"
        (tmp_path / name).unlink()
    with pytest.raises(gpen.WriteError, match="missing"):
        export_for("facefusion", weights(256), tmp_path / "missing")


def _foreign(source: Path, path: Path) -> Path:
    """The file as another exporter would write it: no metadata, other names inside."""
    model = onnx.load(source)
    del model.metadata_props[:]
    model.producer_name = "pytorch"
    renamed = {tensor.name: f"onnx::Conv_{i}" for i, tensor in enumerate(model.graph.initializer)}
    for tensor in model.graph.initializer:
        tensor.name = renamed[tensor.name]
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("name", "size", "reads"),
    [
        ("gpen_bfr_256.onnx", 256, facefusion),
        ("gpen_bfr_512.onnx", 512, facefusion),
        ("GPEN-BFR-512.onnx", 512, reactor),
    ],
)
def test_their_files_run_here_and_do_the_same(
    name: str, size: int, reads: Any, weights: Callable[[int], Path], tmp_path: Path
) -> None:
    own = export_for("visomaster", weights(size), tmp_path)
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = _foreign(own, folder / name)
    info = gpen.find_model(path.stem, folder)
    assert (info.kind, info.size, info.usable) == ("onnx-restorer", size, True)
    assert info.template == "gpen", "GPEN networks were trained on crops of their own template"
    face = _face(size)
    difference = np.abs(reads(path, face).astype(int) - _here(path, face))
    assert difference.max() <= 1


def test_a_template_named_in_the_file_is_respected(
    tmp_path: Path, portrait: Path, demo_points: np.ndarray
) -> None:
    """A network trained on facefusion's crops for 256 px says so, and keeps saying so."""
    notes = {"gpen.template": "arcface_128"}
    write_safetensors(random_tensors(TINY), tmp_path / "n.safetensors", notes)
    path = gpen.convert(tmp_path / "n.safetensors", tmp_path / "n.onnx")
    for file in (tmp_path / "n.safetensors", path):
        restorer = gpen.Restorer(model=str(file))
        assert restorer.model.template == "arcface_128"
    (face,) = restorer.restore(portrait, points_xy=demo_points[None]).restored
    off = {
        name: np.abs(face.crop.points_xy - points * 32).max() for name, points in TEMPLATES.items()
    }
    assert min(off, key=off.get) == "arcface_128"
