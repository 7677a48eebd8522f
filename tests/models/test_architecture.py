"""Networks are read off their tensors alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpen.errors import MismatchError
from gpen.models import GENERATOR_KINDS, Architecture
from gpen.models.architecture import expected_shapes, read_architecture
from gpen.models.kinds import KINDS, recognise
from support.small_networks import TINY, TINY_DESCRIBED, TINY_SR, TINY_SUBPIXEL, VARIANTS, published


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_shapes_equal_the_published_ones(shared: Path, size: int) -> None:
    table = json.loads((shared / "vectors" / "state_dict_keys.json").read_text())
    row = table[f"GPEN-BFR-{size}"]
    shapes = {name: tuple(shape) for name, shape in row["state_dict"].items()}
    net = read_architecture(shapes, Path("weights.pth"))
    assert (net.size, net.in_size, net.style_dim, net.n_mlp) == (size, size, 512, 8)
    assert list(expected_shapes(net).items()) == list(shapes.items())
    parameters = sum(
        int(np.prod(shape)) for name, shape in shapes.items() if not name.endswith("kernel")
    )
    assert parameters == row["parameters"]


@pytest.mark.parametrize(
    "net",
    [
        pytest.param(TINY, id="tiny"),
        pytest.param(TINY_SR, id="super_resolution"),
        pytest.param(published(64, widest=24), id="odd_widths"),
    ],
)
def test_architecture_survives_its_shapes(net) -> None:
    assert read_architecture(expected_shapes(net), Path("x")) == net
    assert recognise(expected_shapes(net)).id == "gpen"


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        pytest.param(
            "generator.convs.3.conv.weight",
            (1, 8, 12, 3, 3),
            r"generator\.convs\.3\.conv\.weight is \(1, 8, 12, 3, 3\), expected \(1, 8, 16, 3, 3\)",
            id="width",
        ),
        pytest.param("ecd2.0.1.weight", None, r"ecd2\.0\.1\.weight is missing", id="encoder_gap"),
        pytest.param("ecd1.0.0.kernel", None, r"ecd1\.0\.0\.kernel is missing", id="no_kernel"),
        pytest.param(
            "generator.convs.2.conv.weight", None, r"convs\.2\.conv\.weight is missing", id="level"
        ),
        pytest.param("ecd9.0.1.weight", (8, 8, 3, 3), "halves the image 9 times", id="too_deep"),
        pytest.param("extra.weight", (3,), r"extra\.weight is \(3,\), no part of", id="left_over"),
        pytest.param(
            "generator.conv1.noise.weight", None, r"noise\.weight is missing", id="no_strength"
        ),
        pytest.param(
            "generator.convs.0.conv.blur.kernel", None, r"blur\.kernel is missing", id="no_blur"
        ),
        pytest.param("generator.input.input", None, r"input\.input is missing", id="no_constant"),
        pytest.param("final_linear.0.weight", None, r"final_linear.* is missing", id="no_code"),
    ],
)
def test_contradictions_are_named(key: str, shape: tuple[int, ...] | None, message: str) -> None:
    shapes = expected_shapes(TINY)
    if shape is None:
        del shapes[key]
    else:
        shapes[key] = shape
    with pytest.raises(MismatchError, match=message) as caught:
        read_architecture(shapes, Path("weights.pth"))
    assert key in caught.value.keys
    assert "\n" not in str(caught.value)


def test_parts_are_read_off_the_tensors() -> None:
    for name, net in VARIANTS.items():
        shapes = expected_shapes(net)
        assert read_architecture(shapes, Path("x")) == net, name
        assert recognise(shapes).id in GENERATOR_KINDS, name


def test_families_are_told_apart() -> None:
    kinds = {name: net.kind for name, net in VARIANTS.items()}
    assert [name for name, kind in kinds.items() if kind == "gpen"] == ["conv-features-concat-blur"]
    assert {name for name, kind in kinds.items() if kind == "gpen-described"} == {
        f"{encoder}-{features}-adain-nearest"
        for encoder in ("resnet50", "resnet101")
        for features in ("features", "code")
    }
    assert {name for name, kind in kinds.items() if kind == "gpen-subpixel"} == {
        "subpixel-blur",
        "subpixel-nearest",
    }
    assert set(kinds.values()) == {"gpen", "gpen-described", "gpen-modular", "gpen-subpixel"}
    assert recognise(expected_shapes(TINY_SUBPIXEL)).id == "gpen-subpixel"
    assert TINY_SR.kind == "gpen-sr"
    assert replace(TINY_DESCRIBED, n_mlp=8).kind == "gpen-modular"


@pytest.mark.parametrize("size", [8, 64, 256, 2048])
def test_described_networks_of_all_sizes_are_read(size: int) -> None:
    net = Architecture.published(
        size, n_mlp=2, encoder="resnet50", injection="adain", upsampling="nearest"
    )
    assert read_architecture(expected_shapes(net), Path("x")) == net


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        pytest.param(
            "encoder.layer3.6.conv1.weight", (16, 64, 1, 1), "layer3 has 7 blocks", id="depth"
        ),
        pytest.param("encoder.fc.weight", None, r"encoder\.fc\.weight is missing", id="no_code"),
        pytest.param("encoder.conv1.weight", (5, 3, 7, 7), "encoder_width is 5", id="odd_width"),
        pytest.param(
            "encoder.layer2.0.norm2.bias",
            (9,),
            r"norm2\.bias is \(9,\), expected \(8,\)",
            id="norm",
        ),
        pytest.param(
            "laterals.2.0.weight", None, r"laterals\.2\.0\.weight is missing", id="lateral"
        ),
        pytest.param(
            "generator.conv1.adain.weight", None, r"conv1\.adain\.weight is missing", id="adain"
        ),
        pytest.param(
            "generator.convs.0.conv.blur.kernel", (4, 4), r"blur\.kernel is missing", id="one_blur"
        ),
    ],
)
def test_contradictions_of_described_networks_are_named(
    key: str, shape: tuple[int, ...] | None, message: str
) -> None:
    shapes = expected_shapes(TINY_DESCRIBED)
    if shape is None:
        del shapes[key]
    else:
        shapes[key] = shape
    with pytest.raises(MismatchError, match=message) as caught:
        read_architecture(shapes, Path("weights.pth"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [32, 512, 2048])
def test_sub_pixel_networks_of_all_sizes_are_read(size: int) -> None:
    net = Architecture.published(size, narrow=0.25, n_mlp=4, subpixel=4, refine_width=3)
    assert len(net.channels) == size.bit_length() - 4
    assert read_architecture(expected_shapes(net), Path("x")) == net


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        pytest.param(
            "generator.to_pixels.refine.weight",
            (12, 5, 3, 3),
            r"refine\.weight is \(12, 5, 3, 3\), expected \(12, 17, 3, 3\)",
            id="image_missing",
        ),
        pytest.param(
            "generator.to_pixels.expand.weight", None, r"expand\.weight is missing", id="expand"
        ),
        pytest.param(
            "generator.to_pixels.activate.bias", None, r"activate\.bias is missing", id="width"
        ),
        pytest.param(
            "ecd0.0.0.weight", (6, 3, 1, 1), r"expected \(6, 48, 1, 1\)", id="pixels_as_they_are"
        ),
        pytest.param(
            "generator.convs.0.conv.weight", None, r"convs\.0\.conv\.weight is miss", id="level"
        ),
        pytest.param(
            "generator.convs.1.conv.weight", None, r"convs\.1\.conv\.weight is miss", id="second"
        ),
        pytest.param(
            "generator.to_rgb1.bias", (1, 3, 1, 1), r"to_rgb1\.bias .* no part of", id="colours"
        ),
        pytest.param("encoder.conv1.weight", (4, 3, 7, 7), "layer3 has 0 blocks", id="resnet"),
        pytest.param(
            "generator.conv1.activate.bias", (8,), "subpixel 4 has .*got 'conv', 'add'", id="add"
        ),
    ],
)
def test_contradictions_of_sub_pixel_networks_are_named(
    key: str, shape: tuple[int, ...] | None, message: str
) -> None:
    shapes = expected_shapes(TINY_SUBPIXEL)
    if shape is None:
        del shapes[key]
    else:
        shapes[key] = shape
    with pytest.raises(MismatchError, match=message) as caught:
        read_architecture(shapes, Path("weights.pth"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.id}-{kind.marks[0]}")
def test_every_family_is_recognised_by_its_marks(kind) -> None:
    names = [mark.replace("*", "0.weight") for mark in kind.marks]
    assert recognise([*names, "another.weight"]) is kind
    assert recognise(names[:-1]) is not kind


def test_published_discriminator_is_recognised(shared: Path) -> None:
    vectors = np.load(shared / "vectors" / "discriminator_64.npz")
    names = [key.removeprefix("param:") for key in vectors if key.startswith("param:")]
    assert recognise(names).id == "gpen-discriminator"
