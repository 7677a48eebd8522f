"""The prepared network computes what the reference does, and bears f16 and bf16."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen.engines import torch_layers
from gpen.engines.torch_network import InferenceNetwork
from gpen.models import Architecture, Tensor, find_model, load_weights
from gpen.networks.gpen import GPEN
from support.small_networks import ONE_PER_PART, TINY, TINY_SR, published, random_tensors, to_torch

#: A deeper ResNet has no layer that the other lacks.
NETS = {"sr_16_to_64": TINY_SR, "256_narrow": published(256, widest=16)} | {
    name: net for name, net in ONE_PER_PART.items() if net.encoder != "resnet101"
}
CPU = torch.device("cpu")


def images(net: Architecture, count: int = 2) -> torch.Tensor:
    values = np.random.default_rng(3).uniform(-1, 1, (count, 3, net.in_size, net.in_size))
    return torch.from_numpy(values.astype(np.float32))


def reference(net: Architecture, tensors: dict[str, Tensor]) -> GPEN:
    """Weights for every sample, as the paper defines it."""
    module = GPEN(net, reference=True)
    module.load_state_dict(to_torch(tensors))
    return module.eval()


@torch.inference_mode()
def output(network: Callable, given: torch.Tensor) -> np.ndarray:
    return network(given).float().numpy()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Of 8-bit colour."""
    first, second = (np.rint((np.clip(x, -1, 1) + 1) * 127.5) for x in (one, other))
    return float(20 * np.log10(255) - 10 * np.log10(np.square(first - second).mean()))


@pytest.mark.parametrize("fused", [0, 9999], ids=["blur_apart", "blur_fused"])
@pytest.mark.parametrize("name", NETS)
def test_the_prepared_network_equals_the_reference(
    name: str, fused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(torch_layers.FUSED_CHANNELS, "cpu", fused)
    net = NETS[name]
    tensors = random_tensors(net)
    given = images(net)
    exact = output(reference(net, tensors), given)
    found = output(InferenceNetwork(net, tensors, CPU, torch.float32), given)
    assert exact.std() > 0.1
    assert np.abs(found - exact).max() <= 2e-5 * np.abs(exact).max()


def test_layers_of_zeros_are_no_trouble() -> None:
    """Nothing is divided by the length of a row or the size of a style that is 0."""
    tensors = {
        name: Tensor("f32", np.zeros_like(tensor.float32())) if zero(name) else tensor
        for name, tensor in random_tensors(TINY).items()
    }
    given = images(TINY)
    exact = output(reference(TINY, tensors), given)
    for dtype in (torch.float32, torch.float16):
        found = output(InferenceNetwork(TINY, tensors, CPU, dtype), given)
        assert np.abs(found - exact).max() <= 0.01 * np.abs(exact).max()


def zero(name: str) -> bool:
    return name.startswith(
        ("generator.convs.2.conv.weight", "generator.convs.3.conv.mod", "generator.to_rgbs.0.conv")
    )


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """The portrait, damaged, at 64 px: (64, 64, 3) uint8."""
    path = Path(__file__).resolve().parents[2] / "examples/portrait.jpg"
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)


def as_input(portrait: np.ndarray, side: int) -> torch.Tensor:
    resized = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(resized.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)


def long_code(name: str) -> float:
    """The mapping network divides a code by its length."""
    return 1000.0 if name.startswith("final_linear") else 1.0


def large_styles(name: str) -> float:
    """Demodulation undoes the size of a style."""
    return 200.0 if ".modulation." in name and "to_rgb" not in name else 1.0


def weak_weights(name: str) -> float:
    """Demodulation undoes the size of a weight."""
    is_weight = name.startswith("generator.conv") and name.endswith(".conv.weight")
    return 1 / 200 if is_weight else 1.0


NET_64 = published(64, widest=32)


def scaled(factor: Callable[[str], float]) -> dict[str, Tensor]:
    """Random weights of other magnitudes, whose image stays the same and within the range."""
    tensors = {}
    for name, tensor in random_tensors(NET_64).items():
        is_picture = "to_rgb" in name and name.endswith(("conv.weight", "bias"))
        by = factor(name) * (0.15 if is_picture and ".modulation." not in name else 1)
        tensors[name] = Tensor("f32", tensor.float32() * np.float32(by))
    return tensors


@pytest.mark.parametrize("factor", [lambda _: 1.0, long_code, large_styles, weak_weights])
def test_half_the_bits_keep_the_picture_whatever_the_magnitudes(
    factor: Callable[[str], float], portrait: np.ndarray
) -> None:
    tensors, given = scaled(factor), as_input(portrait, 64)
    exact = output(reference(NET_64, tensors), given)
    assert 0.1 < exact.std() < 1
    for dtype, least in ((torch.float16, 60), (torch.bfloat16, 44)):
        assert psnr(output(InferenceNetwork(NET_64, tensors, CPU, dtype), given), exact) > least


@pytest.mark.parametrize("factor", [long_code, large_styles])
def test_a_module_turned_into_f16_does_not(
    factor: Callable[[str], float], portrait: np.ndarray
) -> None:
    """What the test above is about: without care, such magnitudes cost the image."""
    module, given = GPEN(NET_64), as_input(portrait, 64)
    module.load_state_dict(to_torch(scaled(factor)))
    exact = output(module, given)
    assert not psnr(output(module.half(), given.half()), exact) > 40


def test_half_the_bits_keep_an_image_that_is_changed(portrait: np.ndarray) -> None:
    """Of a sub-pixel network as wide as one in use, whose change is as large as a mended blur."""
    net = Architecture.published(64, narrow=0.25, style_dim=64, n_mlp=4, subpixel=4)
    tensors, given = random_tensors(net), as_input(portrait, 64)
    name = "generator.to_pixels.refine.weight"
    tensors[name] = Tensor("f32", tensors[name].float32() * np.float32(0.2))
    exact = output(reference(net, tensors), given)
    assert 0.05 < (exact - given.numpy()).std() < 0.3
    for dtype, least in ((torch.float16, 60), (torch.bfloat16, 52)):
        assert psnr(output(InferenceNetwork(net, tensors, CPU, dtype), given), exact) > least


def test_the_default_network_bears_f16_and_bf16(portrait: np.ndarray) -> None:
    weights = load_weights(find_model("gpen-default-256").path)
    given = as_input(portrait, 256)
    exact = output(reference(weights.net, weights.tensors), given)
    for dtype, least in ((torch.float16, 62), (torch.bfloat16, 52)):
        network = InferenceNetwork(weights.net, weights.tensors, CPU, dtype)
        assert psnr(output(network, given), exact) > least
