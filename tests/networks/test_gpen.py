"""The networks compute what the published ones do, with the published tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpen.networks.discriminator import Discriminator  # noqa: E402
from gpen.networks.gpen import GPEN, GPENConfig  # noqa: E402

TINY = GPENConfig(size=32, in_size=32, style_dim=16, n_mlp=2, channels=(8, 8, 8, 4))
TINY_SR = GPENConfig(size=32, in_size=8, style_dim=16, n_mlp=2, channels=(8, 8, 8, 4))


def _vector(path: Path) -> tuple[dict[str, Any], Any, Any, dict[str, Any]]:
    with np.load(path) as file:
        values = {name: file[name] for name in file.files}
    state = {
        name.removeprefix("param:"): torch.from_numpy(value)
        for name, value in values.items()
        if name.startswith("param:")
    }
    numbers = {name: value.item() for name, value in values.items() if value.shape == ()}
    return state, torch.from_numpy(values["input"]), torch.from_numpy(values["output"]), numbers


def _assert_close(output: Any, expected: Any, tolerance: float = 1e-4) -> None:
    assert (output - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("name", ["generator_32", "generator_64", "generator_sr_16_to_64"])
def test_generator_equals_the_published_one(shared: Path, name: str, reference: bool) -> None:
    state, image, expected, numbers = _vector(shared / "vectors" / f"{name}.npz")
    size = numbers.pop("out_size", None) or numbers.pop("size")
    net = GPEN(GPENConfig.published(size, **numbers), reference=reference)
    # The vectors keep no blur kernels: those of a fresh network are the published ones.
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert all(key.endswith(".kernel") for key in missing)
    assert not unexpected
    with torch.inference_mode():
        _assert_close(net(image), expected)


def test_discriminator_equals_the_published_one(shared: Path) -> None:
    state, image, expected, numbers = _vector(shared / "vectors" / "discriminator_64.npz")
    net = Discriminator(numbers.pop("size"), **numbers)
    net.load_state_dict(state)
    with torch.inference_mode():
        _assert_close(net(image), expected)


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_tensors_are_the_published_ones(shared: Path, size: int) -> None:
    table = json.loads((shared / "vectors/state_dict_keys.json").read_text())
    published = table[f"GPEN-BFR-{size}"]
    with torch.device("meta"):
        net = GPEN(
            GPENConfig.published(
                size,
                channel_multiplier=published["channel_multiplier"],
                narrow=published["narrow"],
            )
        )
    found = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert list(found.items()) == list(published["state_dict"].items())
    assert sum(p.numel() for p in net.parameters()) == published["parameters"]


def test_rewrite_equals_the_reference_in_values_and_gradients() -> None:
    torch.manual_seed(0)
    fast, reference = GPEN(TINY).double(), GPEN(TINY, reference=True).double()
    for name, parameter in fast.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.ones_(parameter)
    reference.load_state_dict(fast.state_dict())
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    for net in (fast, reference):
        net(image).square().mean().backward()
    torch.testing.assert_close(fast(image), reference(image))
    for one, other in zip(fast.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_network_built_on_meta_takes_weights_without_copying_them() -> None:
    state = GPEN(TINY).state_dict()
    with torch.device("meta"):
        net = GPEN(TINY)
    net.load_state_dict(state, assign=True)
    assert all(net.state_dict()[key].data_ptr() == state[key].data_ptr() for key in state)
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)


def test_noise_of_the_super_resolution_variant_follows_its_seed() -> None:
    torch.manual_seed(0)
    net = GPEN(TINY_SR)
    for name, parameter in net.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.ones_(parameter)
    image = torch.randn(1, 3, 8, 8)
    one, same, other = (net(image, noise=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(net(image), net(image))


def test_sides_and_widths_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="4 widths has sides 4 to 32; got size 64"):
        GPENConfig(size=64, in_size=64, style_dim=16, n_mlp=2, channels=(8, 8, 8, 4))
