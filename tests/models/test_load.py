"""Every weight file is recognised for what it is, and bad ones say what to do."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from gpen.errors import MismatchError, UnsafeFileError, WeightsError
from gpen.models import convert, load_weights
from gpen.models.load import KIND_NOTE
from gpen.models.safetensors import write_safetensors
from gpen.models.tensors import Tensor
from support.small_networks import (
    TINY,
    TINY_SR,
    TINY_SUBPIXEL,
    assert_same_tensors,
    random_tensors,
    save_safetensors,
    to_torch,
)


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda state: state, id="bare"),
        pytest.param(
            lambda state: {
                "g": {k: v * 0 for k, v in state.items()},
                "d": {"convs.0.0.weight": torch.zeros(1)},
                "g_ema": state,
                "g_optim": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.002}]},
            },
            id="training_checkpoint",
        ),
        pytest.param(lambda state: {"params_ema": state, "params": {}}, id="params_ema"),
        pytest.param(lambda state: {"params": state}, id="params"),
        pytest.param(lambda state: {"epoch": 3, "state_dict": state}, id="state_dict"),
        pytest.param(lambda state: {f"module.{k}": v for k, v in state.items()}, id="module"),
        pytest.param(
            lambda state: {"state_dict": {"g_ema": {f"module.{k}": v for k, v in state.items()}}},
            id="nested",
        ),
        pytest.param(
            lambda state: {k: torch.nn.Parameter(v) for k, v in state.items()}, id="parameters"
        ),
    ],
)
def test_unwraps_checkpoints(wrap: Callable[[dict], object], tmp_path: Path) -> None:
    path, tensors = tmp_path / "weights.pth", random_tensors(TINY)
    torch.save(wrap(to_torch(tensors)), path)
    weights = load_weights(path)
    assert weights.net == TINY
    assert (weights.kind, weights.role, weights.dtype, weights.size) == (
        "gpen",
        "restorer",
        "f32",
        32,
    )
    assert_same_tensors(weights.tensors, tensors)


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_super_resolution_is_told_from_the_tensors(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "x.safetensors"
    write_safetensors(random_tensors(TINY_SR), source)
    path = source if suffix == ".safetensors" else convert(source, tmp_path / f"x{suffix}")
    weights = load_weights(path)
    assert (weights.kind, weights.size, weights.in_size) == ("gpen-sr", 64, 16)
    assert weights.net == TINY_SR


def test_sub_pixel_networks_say_what_they_are(tmp_path: Path) -> None:
    weights = load_weights(save_safetensors(TINY_SUBPIXEL, tmp_path / "x.safetensors"))
    assert (weights.kind, weights.role) == ("gpen-subpixel", "restorer")
    assert weights.title == "a sub-pixel GPEN generator for 32 px"


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.float32, "f32"), (torch.float16, "f16"), (torch.bfloat16, "bf16")]
)
def test_dtype_is_told(dtype: torch.dtype, name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({k: v.to(dtype) for k, v in to_torch(random_tensors(TINY)).items()}, path)
    assert load_weights(path).dtype == name


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    write_safetensors(random_tensors(TINY), path)
    assert load_weights(path).kind == "gpen"


def test_published_vectors_load(shared: Path, tmp_path: Path) -> None:
    vectors = np.load(shared / "vectors" / "generator_64.npz")
    state = {k[6:]: torch.from_numpy(vectors[k]) for k in vectors if k.startswith("param:")}
    torch.save({"g_ema": state}, tmp_path / "v.pth")
    assert load_weights(tmp_path / "v.pth").size == 64


def state_dict_of(*names: str) -> Callable[[Path], object]:
    return lambda path: torch.save({name: torch.zeros(2) for name in names}, path)


@pytest.mark.parametrize(
    ("save", "title"),
    [
        pytest.param(
            state_dict_of("convs.1.conv1.0.weight", "final_conv.0.weight", "final_linear.1.weight"),
            "a GPEN discriminator",
            id="discriminator",
        ),
        pytest.param(
            state_dict_of("stylegan_decoder.conv1.weight", "final_linear.weight"),
            "GFPGAN",
            id="gfpgan",
        ),
        pytest.param(
            state_dict_of("quantize.embedding.weight", "ft_layers.0.norm1.weight"),
            "CodeFormer",
            id="codeformer",
        ),
        pytest.param(
            state_dict_of("model.diffusion_model.input_blocks.0.0.weight"),
            "a Stable Diffusion model",
            id="stable_diffusion",
        ),
        pytest.param(
            state_dict_of("conv_first.weight", "body.0.rdb1.conv1.weight"), "Real-ESRGAN", id="rrdb"
        ),
        pytest.param(state_dict_of("fc.weight"), "unknown to gpen .1 tensors", id="unknown"),
    ],
)
def test_other_networks_are_named(
    save: Callable[[Path], object], title: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    save(path)
    weights = load_weights(path)
    assert weights.role == "none"
    assert re.search(title, weights.title)


def test_detectors_are_told(shared: Path) -> None:
    models = shared / "models"
    assert load_weights(models / "yunet_n_640_640.onnx").kind == "yunet"
    assert load_weights(models / "retinaface_mobilenet0.25.pth").kind == "retinaface"
    assert load_weights(models / "yunet_n_640_640.onnx").role == "detector"


def write_graph(
    path: Path, inputs: list[tuple], outputs: list[tuple], *, notes: dict[str, str] | None = None
) -> Path:
    """An ONNX file with these inputs and outputs; the first input goes to every output."""
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", [inputs[0][0]], [name]) for name, *_ in outputs],
        "graph",
        [make(name, kind, shape) for name, kind, shape in inputs],
        [make(name, kind, shape) for name, kind, shape in outputs],
    )
    model = helper.make_model(graph)
    for key, value in (notes or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


F32, F16, F64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
PICTURE = [1, 3, 64, 64]


@pytest.mark.parametrize(
    ("inputs", "outputs", "kind", "size"),
    [
        ([("input", F32, PICTURE)], [("output", F32, PICTURE)], "onnx-restorer", 64),
        ([("x", F16, PICTURE)], [("1287", F16, PICTURE)], "onnx-restorer", 64),
        (
            [("input", F32, PICTURE), ("weight", F64, [1])],
            [("output", F32, PICTURE)],
            "onnx-restorer",
            64,
        ),
        (
            [("input", F32, ["N", 3, 64, 64])],
            [("output", F32, ["N", 3, 64, 64])],
            "onnx-restorer",
            64,
        ),
        (
            [("input", F32, [1, 3, "H", "W"])],
            [("output", F32, [1, 3, "H", "W"])],
            "onnx-restorer",
            512,
        ),
        (
            [("target", F32, PICTURE), ("source", F32, [1, 512])],
            [("output", F32, PICTURE)],
            "unknown",
            None,
        ),
        ([("input", F32, PICTURE)], [("embedding", F32, [1, 512])], "unknown", None),
        ([("image", F32, ["n", 3, 112, 112])], [("v", F32, ["n", 512])], "arcface", None),
        ([("image", F32, ["n", 3, 150, 150])], [("v", F32, ["n", 128])], "dlib", None),
        ([("image", F32, ["n", 3, 112, 112])], [("p", F32, ["n", 68, 2])], "landmarks68", None),
        (
            [("input.1", F32, [1, 3, "H", "W"])],
            [(f"o{i}", F32, ["n", (1, 4, 10)[i // 3]]) for i in range(9)],
            "scrfd",
            None,
        ),
    ],
    ids=[
        "plain",
        "half",
        "weight",
        "any_batch",
        "any_size",
        "swapper",
        "embedding",
        "arcface",
        "dlib",
        "landmarks68",
        "scrfd",
    ],
)
def test_foreign_graphs_are_told_by_their_ports(
    inputs: list[tuple], outputs: list[tuple], kind: str, size: int | None, tmp_path: Path
) -> None:
    weights = load_weights(write_graph(tmp_path / "foreign.onnx", inputs, outputs))
    assert (weights.kind, weights.size) == (kind, size)


def test_own_detector_is_told_by_its_note(tmp_path: Path) -> None:
    path = write_graph(
        tmp_path / "d.onnx",
        [("input", F32, [1, 3, "H", "W"])],
        [("out", F32, [1, "N", 15])],
        notes={KIND_NOTE: "detector"},
    )
    assert load_weights(path).role == "detector"


def trap(path: Path) -> object:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.mkdir, (path.parent / "it-was-run",)

    return Trap()


def truncated(path: Path) -> None:
    torch.save(to_torch(random_tensors(TINY)), path)
    path.write_bytes(path.read_bytes()[:-5000])


def truncated_legacy(path: Path) -> None:
    torch.save(to_torch(random_tensors(TINY)), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-5000])


def mismatched(path: Path) -> None:
    tensors = random_tensors(TINY)
    tensors["generator.convs.1.conv.weight"] = Tensor("f32", np.zeros((1, 8, 9, 3, 3), "<f4"))
    write_safetensors(tensors, path)


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("GPEN-BFR-512.pth", b"weights")


def compressed(path: Path) -> None:
    plain = io.BytesIO()
    torch.save({"a": torch.zeros(1000)}, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


BAD_FILES = [
    ("empty", lambda p: p.touch(), WeightsError, "is empty .0 bytes.: download it again"),
    ("html", lambda p: p.write_text("\n<!DOCTYPE html><html>404"), WeightsError, "is a web page"),
    ("html_bom", lambda p: p.write_text("\ufeff<!doctype html>"), WeightsError, "is a web page"),
    ("html_tag", lambda p: p.write_text("<HTML><body>"), WeightsError, "is a web page"),
    (
        "lfs",
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        WeightsError,
        "is a Git LFS pointer.*run `git lfs pull`",
    ),
    ("json", lambda p: p.write_text('{"error": "rate limit"}'), WeightsError, "is JSON text"),
    (
        "gzip",
        lambda p: p.write_bytes(gzip.compress(b"x")),
        WeightsError,
        "packed archive; .*unpack it",
    ),
    ("zip", archive, WeightsError, "zip archive without tensors: unpack"),
    ("picture", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), WeightsError, "is an image"),
    ("text", lambda p: p.write_text("hello world"), WeightsError, "damaged or no weight file"),
    ("noise", lambda p: p.write_bytes(bytes(range(250, 0, -1))), WeightsError, "damaged or no"),
    ("truncated", truncated, WeightsError, r"ends too early .* download it again"),
    ("truncated_legacy", truncated_legacy, WeightsError, "ends too early"),
    ("compressed", compressed, WeightsError, "compressed inside"),
    ("mismatched", mismatched, MismatchError, r"generator\.convs\.1\.conv\.weight is .1, 8, 9"),
    ("malicious", lambda p: torch.save(trap(p), p), UnsafeFileError, "would call .*mkdir|getattr"),
    (
        "malicious_plain",
        lambda p: p.write_bytes(pickle.dumps(trap(p))),
        UnsafeFileError,
        "Nothing was run",
    ),
    (
        "whole_module",
        lambda p: torch.save(torch.nn.Linear(2, 2), p),
        UnsafeFileError,
        "would call torch.nn.modules.linear.Linear",
    ),
    (
        "pickled_array",
        lambda p: p.write_bytes(pickle.dumps({"a": np.zeros(3)})),
        UnsafeFileError,
        "would call numpy",
    ),
    ("no_tensors", lambda p: torch.save({"lr": 0.1}, p), WeightsError, "holds no tensors"),
]


@pytest.mark.parametrize(
    ("save", "error", "message"), [pytest.param(*row[1:], id=row[0]) for row in BAD_FILES]
)
def test_bad_files_say_what_they_are(
    save: Callable[[Path], object], error: type[WeightsError], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "GPEN-BFR-512.pth"
    save(path)
    with pytest.raises(error, match=message) as caught:
        load_weights(path)
    assert type(caught.value) is error
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "it-was-run").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pth"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(UnsafeFileError, match="TorchScript program"):
        load_weights(path)


def test_cut_onnx_is_told(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "a.onnx", [("i", F32, PICTURE)], [("o", F32, PICTURE)])
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(WeightsError, match="cut off or no ONNX graph"):
        load_weights(path)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        load_weights(tmp_path / "none.pth")


def test_checkpoint_with_tensors_beside_its_networks_is_read_as_its_moving_average(
    tmp_path: Path,
) -> None:
    state = to_torch(random_tensors(TINY))
    other = {name: value + 1 for name, value in state.items()}
    path = tmp_path / "checkpoint.pt"
    torch.save({"latent_avg": torch.zeros(3), "g": other, "g_ema": state, "step": 3}, path)
    weights = load_weights(path)
    assert weights.net == TINY
    name = "generator.input.input"
    assert np.array_equal(weights.tensors[name].float32(), state[name].numpy())
