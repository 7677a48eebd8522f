"""Generators of all parts restore, convert and answer alike, whatever runs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gpen
from gpen.engines import _choose, _fastest_faithful, open_engine
from gpen.models import convert, find_model, load_weights
from support.small_networks import (
    ONE_PER_PART,
    TINY,
    TINY_DESCRIBED,
    TINY_SR,
    TINY_SUBPIXEL,
    assert_same_tensors,
    random_tensors,
    save_safetensors,
)

TOLERANCE = 2e-4
NETS = {
    **ONE_PER_PART,
    "super_resolution-add-nearest": replace(TINY_SR, injection="add", upsampling="nearest"),
    "super_resolution-adain-blur": replace(TINY_SR, injection="adain"),
    "described-8": replace(TINY_DESCRIBED, size=8, in_size=8, channels=(8, 4)),
    "subpixel-512": replace(TINY_SUBPIXEL, size=512, in_size=512, channels=(8, 8, 8, 6, 4, 3)),
    "described-512": replace(
        TINY_DESCRIBED, size=512, in_size=512, channels=(8, 8, 8, 4, 4, 4, 4, 4)
    ),
}
BOTH = pytest.mark.parametrize(
    ("net", "kind"),
    [
        pytest.param(TINY_DESCRIBED, "gpen-described", id="described"),
        pytest.param(TINY_SUBPIXEL, "gpen-subpixel", id="subpixel"),
    ],
)


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_engines_agree_and_graphs_turn_back(net, tmp_path: Path) -> None:
    """Several crops one after the other: OpenVINO has been seen to write into constants."""
    path = save_safetensors(net, tmp_path / "random.safetensors")
    batch = np.random.default_rng(7).uniform(-1, 1, (3, 3, net.in_size, net.in_size))
    batch = batch.astype(np.float32)
    reference = open_engine(find_model(path), engine="torch", device="cpu").run(batch)
    assert reference.shape == (3, 3, net.size, net.size)
    assert reference.std() > 0.1
    graph = convert(path, tmp_path / "graph.onnx")
    for engine in ("openvino", "onnxruntime"):
        runner = open_engine(find_model(graph), engine=engine, device="cpu", precision="f32")
        difference = np.abs(runner.run(batch) - reference).max()
        assert difference <= TOLERANCE * np.abs(reference).max(), engine
    assert load_weights(graph).net == net
    back = convert(graph, tmp_path / "back.safetensors")
    assert_same_tensors(load_weights(back).tensors, random_tensors(net))


@BOTH
def test_half_files_run_alike(net, kind: str, tmp_path: Path) -> None:
    path = save_safetensors(net, tmp_path / "a.safetensors")
    half = convert(path, tmp_path / "half.onnx", half=True)
    weights = load_weights(half)
    assert (weights.kind, weights.dtype) == (kind, "f16")
    stored = convert(half, tmp_path / "half.safetensors")
    batch = np.random.default_rng(7).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)
    reference = open_engine(find_model(stored), engine="torch", device="cpu").run(batch)
    for engine in ("openvino", "onnxruntime"):
        output = open_engine(find_model(half), engine=engine, precision="f32").run(batch)
        assert np.abs(output - reference).max() <= TOLERANCE * np.abs(reference).max()


@BOTH
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_they_restore_photos(
    engine: str, net, kind: str, demo_photo: Path, demo_points: np.ndarray, tmp_path: Path
) -> None:
    model = save_safetensors(net, tmp_path / "mine.safetensors")
    restorer = gpen.Restorer(model=str(model), engine=engine, device="cpu")
    result = restorer.restore(demo_photo, points_xy=demo_points)
    assert len(result.restored) == 1
    assert result.image.any()
    assert restorer.model.kind == kind


@BOTH
def test_they_are_listed(net, kind: str, tmp_path: Path) -> None:
    save_safetensors(net, tmp_path / "mine.safetensors")
    (found,) = (model for model in gpen.list_models(tmp_path) if model.name == "mine")
    assert (found.kind, found.role, found.size) == (kind, "restorer", 32)
    assert (found.template, found.usable) == ("gpen", True)


@pytest.mark.parametrize(
    ("net", "precision"),
    [(TINY, "bf16"), (TINY_SUBPIXEL, "bf16"), (TINY_DESCRIBED, "f32")],
    ids=["published", "subpixel", "described"],
)
def test_only_measured_families_are_run_in_bf16_unasked(
    net, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpen.engines.openvino.has_fast_bf16", lambda device: True)
    model = find_model(save_safetensors(net, tmp_path / "a.safetensors"))
    assert _fastest_faithful(model, "openvino", "auto") == precision
    assert _choose(model, "cuda") == "torch"
