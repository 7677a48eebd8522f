"""Recognising the files of metrics in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpen.errors import SettingsError
from gpen.metrics.metric_files import MetricFiles, find_metric_files
from gpen.models import Tensor
from gpen.models.safetensors import write_safetensors
from support.metric_networks import write_mean_color_model

SQUEEZE_HEADS = (64, 128, 256, 384, 384, 512, 512)
ALEX_HEADS, VGG_HEADS = (64, 192, 384, 256, 256), (64, 128, 256, 512, 512)


def _write(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    tensors = {name: Tensor("f32", np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    write_safetensors(tensors, path)
    return path


def _heads(path: Path, widths: tuple[int, ...]) -> Path:
    shapes = {f"lin{i}.model.1.weight": (1, width, 1, 1) for i, width in enumerate(widths)}
    return _write(path, shapes)


def test_heads_are_those_that_fit_the_backbone(tmp_path: Path) -> None:
    _heads(tmp_path / "a.safetensors", ALEX_HEADS)
    heads = _heads(tmp_path / "b.safetensors", SQUEEZE_HEADS)
    _heads(tmp_path / "c.safetensors", VGG_HEADS)
    backbone = _write(tmp_path / "d.safetensors", {"fire2.squeeze1x1.weight": (16, 64, 1, 1)})
    found = find_metric_files(tmp_path)
    assert (found.lpips_backbone, found.lpips_heads) == (backbone, heads)
    assert found.identity is None


def test_vgg16_is_told_from_vgg19(tmp_path: Path) -> None:
    first = {"features.0.weight": (64, 3, 3, 3), "features.28.weight": (8, 8, 3, 3)}
    heads = _heads(tmp_path / "heads.safetensors", VGG_HEADS)
    _write(tmp_path / "19.safetensors", first | {"features.34.weight": (8, 8, 3, 3)})
    assert find_metric_files(tmp_path).lpips_backbone is None
    vgg16 = _write(tmp_path / "v16.safetensors", first)
    found = find_metric_files(tmp_path)
    assert (found.lpips_backbone, found.lpips_heads) == (vgg16, heads)


def test_identity_is_found_in_a_subfolder_and_serves_fid_where_nothing_else_does(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "only for measuring"
    folder.mkdir()
    graph = write_mean_color_model(folder / "arcface.onnx", 112)
    (tmp_path / "notes.pth").write_text("no weights")
    found = find_metric_files(tmp_path)
    assert found.identity == found.features == graph
    marks = ("BboxHead.0.conv1x1.weight", "ClassHead.0.conv1x1.weight", "LandmarkHead.0.x")
    detector = _write(tmp_path / "detector.safetensors", dict.fromkeys(marks, (1,)))
    assert find_metric_files(tmp_path).features == detector


def test_what_was_named_stays(tmp_path: Path) -> None:
    write_mean_color_model(tmp_path / "arcface.onnx", 112)
    given = MetricFiles(identity=Path("mine.onnx"), features=Path("features.onnx"))
    assert find_metric_files(tmp_path, given) == given


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no folder"):
        find_metric_files(tmp_path / "none")


def test_reference_files_are_recognised(shared: Path) -> None:
    found = find_metric_files(shared / "models")
    names = [path.name if path else None for path in
             (found.lpips_backbone, found.lpips_heads, found.identity, found.features)]  # fmt: skip
    assert names == [
        "squeezenet1_1.safetensors",
        "lpips_v0.1_squeeze.pth",
        "mobilefacenet_casia_068.ckpt",
        "retinaface_mobilenet0.25.pth",
    ]
