"""Convolutions with fewer multiplications answer as the plain ones do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpen.engines import open_engine
from gpen.engines.openvino import load_openvino
from gpen.engines.winograd import MIN_INPUTS, MIN_OUTPUTS, MIN_SIDE, use_winograd
from gpen.files import cache_dir
from gpen.models import find_model
from support.small_networks import published, random_tensors, save_safetensors, to_torch

openvino = load_openvino()
ops = openvino.opset13
RANDOM = np.random.default_rng(0)


def convolution(
    shape: tuple[int, ...] = (1, MIN_INPUTS, MIN_SIDE, MIN_SIDE),
    *,
    outputs: int = MIN_OUTPUTS,
    kernel: int = 3,
    stride: int = 1,
    pad: int = 1,
    dtype: type = np.float32,
) -> Any:
    """A model of one convolution after another operation, as in a network."""
    image = ops.parameter(list(shape), np.float32)
    kernels = RANDOM.standard_normal((outputs, shape[1], kernel, kernel)).astype(dtype)
    weight = ops.convert(ops.constant(kernels), np.float32) if dtype != np.float32 else kernels
    strides, pads = [stride] * 2, [pad] * 2
    output = ops.convolution(ops.relu(image), weight, strides, pads, pads, [1, 1])
    return openvino.Model([ops.relu(output)], [image])


def run(model: Any, image: np.ndarray) -> np.ndarray:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", settings)([image])[0]


@pytest.mark.parametrize("sides", [(32, 32), (32, 52)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_answers_are_those_of_the_plain_convolution(sides: tuple[int, int], dtype: type) -> None:
    model = convolution((1, MIN_INPUTS, *sides), dtype=dtype)
    image = RANDOM.standard_normal((1, MIN_INPUTS, *sides), np.float32)
    exact = run(model, image)
    assert use_winograd(model, openvino) == 1
    assert "Convolution" not in {node.get_type_name() for node in model.get_ops()}
    output = run(model, image)
    assert output.shape == exact.shape
    assert 0 < np.abs(output - exact).max() < 1e-4 * np.abs(exact).max()


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda: convolution((1, MIN_INPUTS - 1, 32, 32)), id="few_inputs"),
        pytest.param(lambda: convolution(outputs=MIN_OUTPUTS - 1), id="few_outputs"),
        pytest.param(lambda: convolution((1, MIN_INPUTS, 28, 28)), id="small"),
        pytest.param(lambda: convolution((1, MIN_INPUTS, 34, 32)), id="no_whole_tiles"),
        pytest.param(lambda: convolution((2, MIN_INPUTS, 32, 32)), id="two_pictures"),
        pytest.param(lambda: convolution((1, MIN_INPUTS, -1, 32)), id="any_height"),
        pytest.param(lambda: convolution(kernel=5, pad=2), id="five_taps"),
        pytest.param(lambda: convolution(stride=2), id="stride"),
        pytest.param(lambda: convolution(pad=0), id="no_padding"),
    ],
)
def test_other_convolutions_stay(model: Any) -> None:
    assert use_winograd(model(), openvino) == 0


def test_kernels_that_are_computed_stay() -> None:
    image = ops.parameter([1, MIN_INPUTS, 32, 32], np.float32)
    kernels = ops.parameter([MIN_OUTPUTS, MIN_INPUTS, 3, 3], np.float32)
    output = ops.convolution(image, kernels, [1, 1], [1, 1], [1, 1], [1, 1])
    assert use_winograd(openvino.Model([output], [image, kernels]), openvino) == 0


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 64 px that is wide enough in two convolutions."""
    folder = tmp_path_factory.mktemp("wide")
    return save_safetensors(published(64, widest=256), folder / "wide.safetensors")


def test_a_network_answers_as_the_reference_does(wide: Path) -> None:
    torch = pytest.importorskip("torch")
    from gpen.networks.gpen import GPEN

    net = published(64, widest=256)
    module = GPEN(net, reference=True).eval()
    module.load_state_dict(to_torch(random_tensors(net)))
    image = RANDOM.uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        exact = module(torch.from_numpy(image)).numpy()
    engine = open_engine(find_model(wide), engine="openvino", device="cpu", precision="f32")
    assert np.abs(engine.run(image) - exact).max() < 1e-5 * np.abs(exact).max()


def test_a_graph_read_from_the_cache_leaves_its_file_out_of_memory(
    wide: Path, cold_cache: Path
) -> None:
    if not Path("/proc/self/smaps").exists():
        pytest.skip("the system does not say what is in memory")
    engine = open_engine(find_model(wide), engine="openvino", device="cpu", precision="f32")
    (file,) = (cache_dir() / "compiled").glob("*.blob")
    resident = _resident_bytes(file)
    engine.run(np.zeros((1, 3, 64, 64), np.float32))
    assert 0 <= resident < 0.2 * file.stat().st_size


def _resident_bytes(file: Path) -> int:
    """How much of a mapped file is in memory; -1 where it is not mapped."""
    found, inside = -1, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:  # the head of a mapping: addresses, …, file
            inside = line.endswith(str(file))
        elif inside and line.startswith("Rss:"):
            found = max(found, 0) + 1024 * int(line.split()[1])
    return found
