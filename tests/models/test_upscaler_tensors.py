"""Upscalers are told by their tensors, in every layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpen.errors import WeightsError
from gpen.models import convert, find_model, list_models, load_weights
from gpen.models.catalogue import OFFERS
from gpen.models.upscaler_tensors import plain_layout
from support.small_networks import TINY, save_safetensors
from support.upscaler_files import save, save_enlarging_graph, small_compact, small_rrdb


@pytest.mark.parametrize("layout", ["new", "middle", "old"])
@pytest.mark.parametrize(("steps", "factor"), [(0, 1), (1, 2), (2, 4), (3, 8)])
def test_every_layout_is_the_same_network(
    layout: str, steps: int, factor: int, tmp_path: Path
) -> None:
    network = small_rrdb(steps, depth=2)
    weights = load_weights(save(network, tmp_path / "x.pth", layout))
    assert (weights.kind, weights.role, weights.factor) == ("rrdb", "upscaler", factor)
    net = weights.upscaler
    assert net is not None
    assert (net.depth, net.width, net.growth) == (2, 8, 4)
    plain = plain_layout(weights.tensors)
    assert {name: tuple(tensor.shape) for name, tensor in plain.items()} == {
        name: tuple(value.shape) for name, value in network.state_dict().items()
    }
    for name, value in network.state_dict().items():
        assert torch.equal(torch.tensor(plain[name].numpy()), value)


@pytest.mark.parametrize(("block", "factor"), [(1, 4), (2, 2), (4, 1)])
def test_blocks_of_pixels_make_the_factor_smaller(block: int, factor: int, tmp_path: Path) -> None:
    weights = load_weights(save(small_rrdb(2, block), tmp_path / "x.pth"))
    assert weights.factor == factor
    assert weights.title == f"an upscaler ×{factor} (RRDBNet, 1 deep, 8 wide)"


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_compact_networks_are_told(factor: int, tmp_path: Path) -> None:
    weights = load_weights(save(small_compact(factor), tmp_path / "x.pth"))
    assert (weights.kind, weights.factor) == ("compact", factor)


def test_a_factor_without_use_is_said(tmp_path: Path) -> None:
    path = save(small_rrdb(4), tmp_path / "x16.pth")
    with pytest.raises(WeightsError, match=r"x16\.pth .* another factor than 1, 2, 3, 4 or 8; exp"):
        find_model(path, role="upscaler")


def test_a_variant_that_is_not_known_is_said(tmp_path: Path) -> None:
    state = small_rrdb().state_dict() | {"body.0.rdb1.conv1x1.weight": torch.zeros(4, 8, 1, 1)}
    torch.save(state, tmp_path / "plus.pth")
    weights = load_weights(tmp_path / "plus.pth")
    assert weights.role == "none"
    assert "cannot run: body.0.rdb1.conv1x1.weight is unknown" in weights.title


def test_restorers_are_no_upscalers_and_the_reverse(tmp_path: Path) -> None:
    upscaler = save(small_rrdb(), tmp_path / "up.pth")
    with pytest.raises(WeightsError, match=r"an upscaler ×4 .* expected a GPEN generator"):
        find_model(upscaler)
    restorer = save_safetensors(TINY, tmp_path / "face.safetensors")
    with pytest.raises(WeightsError, match="a GPEN generator for 32 px; expected an upscaler"):
        find_model(restorer, role="upscaler")


@pytest.mark.parametrize(
    ("name", "factor", "side", "role", "known"),
    [
        ("anything", 4, 64, "upscaler", 4),
        ("anything", 2, 64, "upscaler", 2),
        ("real_esrgan_x4", 4, "S", "upscaler", None),
        ("4x-UltraSharp", 4, "S", "upscaler", None),
        ("anything", 5, 64, "none", None),
        ("anything", 1, 64, "restorer", None),
    ],
)
def test_graphs_are_told_by_their_sizes_or_names(
    name: str, factor: int, side: int | str, role: str, known: int | None, tmp_path: Path
) -> None:
    weights = load_weights(save_enlarging_graph(tmp_path / f"{name}.onnx", factor, side))
    assert (weights.role, weights.factor) == (role, known)


def test_a_graph_of_any_size_may_be_named_as_an_upscaler(tmp_path: Path) -> None:
    path = save_enlarging_graph(tmp_path / "anything.onnx", 2)
    assert find_model(path, role="upscaler").path == path


def test_upscalers_are_listed_with_their_factor(tmp_path: Path) -> None:
    save(small_compact(3), tmp_path / "three.pth")
    (model,) = (model for model in list_models(tmp_path) if model.name == "three")
    assert (model.usable, model.role, model.factor) == (True, "upscaler", 3)


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_upscalers_can_be_converted(suffix: str, tmp_path: Path) -> None:
    source = save(small_rrdb(2, 2), tmp_path / "x2plus.pth", "new")
    weights = load_weights(convert(source, tmp_path / f"x2plus{suffix}"))
    assert weights.role == "upscaler"


def test_published_upscalers_are_offered_with_their_licences() -> None:
    offers = {offer.name: offer for offer in OFFERS if offer.role == "upscaler"}
    assert {"RealESRGAN_x4plus", "realesr-general-x4v3", "realesrnet_x2"} <= set(offers)
    assert offers["RealESRGAN_x4plus"].licence == "BSD-3-Clause"
    assert offers["realesrnet_x1"].licence == "non-commercial"
