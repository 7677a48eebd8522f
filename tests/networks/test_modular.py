"""Every part of a generator works with others."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from gpen.models.architecture import expected_shapes  # noqa: E402
from gpen.networks.gpen import GPEN, GPENConfig  # noqa: E402
from gpen.networks.layers import AdaIN  # noqa: E402
from gpen.networks.resnet import ResNet  # noqa: E402
from support.small_networks import ONE_PER_PART, TINY, TINY_DESCRIBED, TINY_SR, VARIANTS  # noqa: E402

EACH = pytest.mark.parametrize("net", ONE_PER_PART.values(), ids=ONE_PER_PART)
#: The deeper ResNet has no layer that the other lacks.
EACH_BUT_101 = pytest.mark.parametrize(
    "net", [pytest.param(v, id=k) for k, v in ONE_PER_PART.items() if v.encoder != "resnet101"]
)


def build(net: GPENConfig, **options: bool) -> GPEN:
    """A network in which every part has something to do."""
    torch.manual_seed(0)
    module = GPEN(net, **options)
    for name, parameter in module.named_parameters():
        if name.endswith(("noise.weight", "norm3.weight")):
            torch.nn.init.ones_(parameter)
    return module


def faces(net: GPENConfig, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, net.in_size, net.in_size, generator=torch.Generator())


@EACH
def test_tensors_are_those_that_weight_files_are_held_to(net: GPENConfig) -> None:
    with torch.device("meta"):
        found = {name: tuple(value.shape) for name, value in GPEN(net).state_dict().items()}
    assert list(found.items()) == list(expected_shapes(net).items())


@EACH_BUT_101
def test_all_parts_learn_in_bf16(net: GPENConfig) -> None:
    module = build(net)
    with torch.autocast("cpu", torch.bfloat16):
        output = module(faces(net))
    assert output.shape == (2, 3, 32, 32)
    output.float().square().mean().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@EACH_BUT_101
def test_a_face_is_restored_alike_alone_and_in_a_batch(net: GPENConfig) -> None:
    module, images = build(net), faces(net, 3)
    with torch.inference_mode():
        alone = torch.cat([module(image[None]) for image in images])
        torch.testing.assert_close(module(images), alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "net",
    [pytest.param(v, id=k) for k, v in ONE_PER_PART.items() if v.encoder == "conv"],
)
def test_rewrite_equals_the_reference(net: GPENConfig) -> None:
    fast, reference = build(net).double(), build(net, reference=True).double()
    image = faces(net).double()
    torch.testing.assert_close(fast(image), reference(image))


@EACH_BUT_101
def test_restoring_is_encoding_mapping_and_synthesis(net: GPENConfig) -> None:
    module, image = build(net), faces(net)
    code, features = module.encode(image)
    w = module.style(code)
    assert code.shape == w.shape == (2, net.style_dim)
    levels = enumerate(net.channels) if net.encoder_features else []
    expected = [(width, 4 << level, 4 << level) for level, width in levels]
    if net.subpixel > 1:
        expected.append((3, 32, 32))
    assert [tuple(feature.shape[1:]) for feature in features] == expected
    torch.testing.assert_close(module.synthesise(w, features), module(image))


@pytest.mark.parametrize("injection", ["concat", "add", "adain"])
def test_gradients_of_the_picture_by_its_style_can_be_learned_from(injection: str) -> None:
    """What path-length regularisation does."""
    module = build(replace(TINY, injection=injection))
    code, features = module.encode(faces(TINY))
    w = module.style(code)
    image = module.synthesise(w, features)
    (slope,) = torch.autograd.grad(image.sum(), w, create_graph=True)
    slope.square().sum().backward()
    assert module.generator.convs[0].conv.weight.grad.any()


@pytest.mark.parametrize(
    "name", ["conv-features-add-nearest", "resnet50-features-adain-nearest", "subpixel-blur"]
)
def test_compilers_see_one_graph(name: str) -> None:
    net = VARIANTS[name]
    module, image = build(net), faces(net)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(image), module(image))


@pytest.mark.parametrize("name", ["resnet50-features-adain-nearest", "conv-features-add-nearest"])
def test_nothing_blurs_where_pixels_are_doubled(name: str) -> None:
    """Silent but for the lowest level, a network shows its 4 × 4 pixels as squares."""
    module = build(VARIANTS[name])
    assert not [key for key in module.generator.state_dict() if key.endswith("kernel")]
    for to_rgb in module.generator.to_rgbs:
        torch.nn.init.zeros_(to_rgb.conv.weight)
    torch.nn.init.normal_(module.generator.to_rgb1.bias)
    output = module(faces(VARIANTS[name]))
    squares = output[:, :, ::8, ::8].repeat_interleave(8, 2).repeat_interleave(8, 3)
    assert torch.equal(output, squares)
    assert output.std() > 0.1


def test_code_alone_steers_a_network_without_features() -> None:
    net = VARIANTS["conv-code-add-blur"]
    module = build(net)
    code, features = module.encode(faces(net))
    assert features == []
    assert not any("noise" in name for name in module.state_dict())
    first, second = module.synthesise(module.style(code), [])
    assert not torch.equal(first, second)


def test_noise_joins_a_super_resolution_variant_that_adds() -> None:
    module = build(replace(TINY_SR, injection="add", upsampling="nearest"))
    image = faces(TINY_SR, 1)
    one, same, other = (module(image, noise=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert one.shape == (1, 3, 64, 64)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_adain_sets_mean_and_deviation() -> None:
    """Against torch's instance norm, and by the definition."""
    torch.manual_seed(0)
    layer, x, w = AdaIN(5, 16), 3 + 2 * torch.randn(2, 5, 8, 8), torch.randn(2, 16)
    output = layer(x, w)
    scale, shift = functional.linear(w, layer.weight / 4, layer.bias).chunk(2, dim=1)
    expected = functional.instance_norm(x) * scale[..., None, None] + shift[..., None, None]
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(output.mean(dim=(2, 3)), shift)
    deviation = output.std(dim=(2, 3), correction=0)
    torch.testing.assert_close(deviation, scale.abs(), rtol=1e-4, atol=1e-4)
    assert layer(x.bfloat16(), w).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("blocks", "parameters"),
    [((3, 4, 6, 3), 23_508_032), ((3, 4, 23, 3), 42_500_160)],
    ids=["resnet50", "resnet101"],
)
def test_resnets_have_the_published_number_of_parameters(
    blocks: tuple[int, ...], parameters: int
) -> None:
    """25,557,032 and 44,549,160 with the classifier of 2048 × 1000 + 1000."""
    with torch.device("meta"):
        net = ResNet(blocks, 64, 512)
    classifier = sum(p.numel() for p in net.fc.parameters())
    assert sum(p.numel() for p in net.parameters()) - classifier == parameters
    groups = {m.num_groups for m in net.modules() if isinstance(m, torch.nn.GroupNorm)}
    assert groups == {32}


@pytest.mark.parametrize("size", [8, 32, 64, 256])
def test_described_networks_take_any_size(size: int) -> None:
    levels = size.bit_length() - 2
    net = replace(TINY_DESCRIBED, size=size, in_size=size, channels=(8,) * (levels - 1) + (4,))
    _, features = build(net).encode(faces(net, 1))
    assert [feature.shape[-1] for feature in features] == [4 << level for level in range(levels)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "vgg"}, "encoder is 'vgg'; expected one of conv, resnet50, resnet101"),
        ({"injection": "film"}, "injection is 'film'; expected one of concat, add, adain"),
        ({"upsampling": "cubic"}, "upsampling is 'cubic'; expected one of blur, nearest"),
        ({"injection": "concat", "encoder_features": False}, "nothing to put beside"),
        ({"in_size": 16}, "a resnet50 takes images of 32 px.*got in_size 16"),
        ({"encoder_width": 7}, "encoder_width is 7; expected an even number"),
        ({"encoder_width": 0}, "encoder_width is 0"),
        ({"n_mlp": -1}, "n_mlp is -1"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_numbers_that_contradict_each_other_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        replace(TINY_DESCRIBED, **changes)
    assert "\n" not in str(caught.value)
