"""Images are enlarged by networks tile by tile, without a seam, on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from gpen.engines.shared_engine import SharedEngine
from gpen.engines.tile_engine import TorchTileEngine
from gpen.errors import EngineError, UnknownModelError, WeightsError
from gpen.models import find_model, load_weights
from gpen.upscaling.upscaler import Upscaler, load_upscaler
from support.upscaler_files import save, save_enlarging_graph, small_compact, small_rrdb

ENGINES = ["openvino", "onnxruntime", "torch"]
NETWORKS = {
    "rrdb x4": lambda: small_rrdb(2),
    "rrdb x2": lambda: small_rrdb(2, 2),
    "rrdb x1": lambda: small_rrdb(2, 4),
    "compact x3": lambda: small_compact(3),
}


@pytest.fixture(scope="module")
def pixels(portrait: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(portrait))[150:247, 100:231, ::-1])


def reference(network: Any, pixels: np.ndarray, factor: int) -> np.ndarray:
    """The network on the whole image, its sides made divisible by the image's mirror image."""
    height, width = pixels.shape[:2]
    pads = -height % 4, -width % 4
    padded = np.pad(pixels, ((0, pads[0]), (0, pads[1]), (0, 0)), mode="symmetric")
    planes = torch.from_numpy(padded.transpose(2, 0, 1)[None] / np.float32(255))
    with torch.inference_mode():
        output = network(planes)[0].numpy().transpose(1, 2, 0)[: height * factor, : width * factor]
    return np.rint(np.clip(output, 0, 1) * 255)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NETWORKS)
def test_engines_equal_the_network(
    name: str, engine: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    network, factor = NETWORKS[name](), int(name[-1])
    pixels = pixels[:64, :96]
    upscaler = load_upscaler(save(network, tmp_path / "x.pth"), engine=engine)
    result = upscaler.enlarge(pixels, factor)
    wanted = reference(network, pixels, factor)
    assert wanted.std() > 5
    assert np.abs(result - wanted).max() <= 1


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_leave_no_seam(name: str, factor: int, pixels: np.ndarray, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    path = save(network, tmp_path / "x.pth")
    model, weights = find_model(path, role="upscaler"), load_weights(path)
    net = weights.upscaler
    assert net is not None

    def enlarged(tile: int) -> np.ndarray:
        engine = TorchTileEngine(weights, torch.device("cpu"), "f32", tile=tile)
        upscaler = Upscaler(
            model, SharedEngine(engine), margin=12 * net.block, step=net.block, is_fixed=False
        )
        calls: list[tuple[int, int]] = []
        result = upscaler.enlarge(pixels, factor, on_tile=lambda *call: calls.append(call))
        assert calls == [(i + 1, len(calls)) for i in range(len(calls))]
        assert (len(calls) > 1) == (tile < 1024)
        return result

    whole, tiled = enlarged(1024), enlarged(24 * net.block + 32)
    assert whole.shape == (97 * factor, 131 * factor, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


class _Doubling:
    """An engine on a GPU with room for some tiles, which doubles its tiles."""

    name, device, precision, in_size, size = "torch", "cuda:0", "f32", 32, 64

    def __init__(self, room: int) -> None:
        self.room, self.batches = room, list[int]()

    def run(self, crops: np.ndarray) -> np.ndarray:
        if len(crops) > self.room:
            raise EngineError("CUDA out of memory", engine="torch")
        self.batches.append(len(crops))
        return crops.repeat(2, axis=2).repeat(2, axis=3)


@pytest.mark.parametrize(("room", "batches"), [(4, [4, 4, 1]), (2, [2, 2, 2, 2, 1]), (1, [1] * 9)])
def test_a_gpu_takes_as_many_tiles_at_once_as_fit(
    room: int, batches: list[int], tmp_path: Path
) -> None:
    model = find_model(save_enlarging_graph(tmp_path / "x2.onnx", 2), role="upscaler")
    engine = _Doubling(room)
    upscaler = Upscaler(model, SharedEngine(engine), margin=2, step=1, is_fixed=True)
    pixels = np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8)
    assert np.array_equal(upscaler.enlarge(pixels, 2), pixels.repeat(2, 0).repeat(2, 1))
    assert engine.batches == batches


def test_photos_of_several_sizes_share_an_upscaler(tmp_path: Path) -> None:
    upscaler = load_upscaler(save_enlarging_graph(tmp_path / "x2.onnx", 2))
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (8 * n, 40, 3), np.uint8) for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda pixels: upscaler.enlarge(pixels, 2), images))
    for pixels, result in zip(images, results, strict=True):
        assert np.array_equal(result, pixels.repeat(2, 0).repeat(2, 1))


def test_16_bit_and_gray(pixels: np.ndarray, tmp_path: Path) -> None:
    upscaler = load_upscaler(save(small_compact(2), tmp_path / "x.pth"))
    plain = upscaler.enlarge(pixels, 2)
    deep = upscaler.enlarge(pixels.astype(np.uint16) * 257, 2)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - plain).max() <= 0.51
    gray = upscaler.enlarge(pixels, 2, gray=True)
    assert np.ptp(gray, axis=2).max() == 0
    assert np.ptp(plain, axis=2).max() > 0


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (64, 64), (65, 200)])
@pytest.mark.parametrize("side", [64, "S"])
def test_foreign_graphs_of_one_size_and_of_any(
    side: int | str, size: tuple[int, int], tmp_path: Path
) -> None:
    path = save_enlarging_graph(tmp_path / "x2.onnx", 2, side)
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    upscaler = load_upscaler(path)
    assert upscaler.factor == 2
    assert np.array_equal(upscaler.enlarge(pixels, 2), pixels.repeat(2, 0).repeat(2, 1))
    assert np.array_equal(upscaler.enlarge(pixels, 1), pixels)


def test_a_graph_that_turns_out_to_enlarge_by_another_factor(tmp_path: Path) -> None:
    path = save_enlarging_graph(tmp_path / "x4.onnx", 5)
    with pytest.raises(WeightsError, match="expected 3 channels and 1, 2, 3, 4 or 8 times"):
        load_upscaler(path)


def test_torch_cannot_run_foreign_graphs(tmp_path: Path) -> None:
    path = save_enlarging_graph(tmp_path / "x4.onnx", 4)
    with pytest.raises(EngineError, match="choose --engine openvino or onnxruntime"):
        load_upscaler(path, engine="torch")


@pytest.mark.parametrize("engine", ENGINES)
def test_less_denoising_mixes_a_second_file(
    engine: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    first, second = small_compact(seed=1), small_compact(seed=2)
    path = save(first, tmp_path / "realesr-general-x4v3.pth")
    save(second, tmp_path / "realesr-general-wdn-x4v3.pth")
    with torch.no_grad():
        for one, other in zip(first.parameters(), second.parameters(), strict=True):
            one.copy_(0.25 * one + 0.75 * other)
    result = load_upscaler(path, engine=engine, denoise=0.25).enlarge(pixels[:40, :40], 4)
    assert np.abs(result - reference(first, pixels[:40, :40], 4)).max() <= 1


def test_files_of_different_layouts_are_mixed(pixels: np.ndarray, tmp_path: Path) -> None:
    network = small_rrdb(2)
    path = save(network, tmp_path / "house-x4.pth")
    save(network, tmp_path / "house-wdn-x4.pth", "old")
    result = load_upscaler(path, denoise=0.5).enlarge(pixels[:40, :40], 4)
    assert np.abs(result - reference(network, pixels[:40, :40], 4)).max() <= 1


def test_a_mixture_needs_its_second_file(tmp_path: Path) -> None:
    path = save(small_compact(), tmp_path / "realesr-general-x4v3.pth")
    with pytest.raises(UnknownModelError, match="realesr-general-wdn-x4v3: expected background_d"):
        load_upscaler(path, denoise=0.5)
    save(small_compact(2), tmp_path / "realesr-general-wdn-x4v3.pth")
    with pytest.raises(WeightsError, match="expected two of one shape to mix"):
        load_upscaler(path, denoise=0.5)
