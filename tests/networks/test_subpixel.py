"""Generators that take blocks of pixels as channels, and return the image plus a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from gpen.networks.gpen import GPEN, GPENConfig  # noqa: E402
from support.small_networks import TINY, TINY_SUBPIXEL  # noqa: E402

#: Tiny networks of two sizes that are in use.
SIZES = {64: (8, 8, 6), 512: (8, 8, 8, 6, 4, 3)}


def build(net: GPENConfig) -> GPEN:
    torch.manual_seed(0)
    module = GPEN(net)
    for name, parameter in module.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.ones_(parameter)
    return module


def faces(size: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_levels_end_at_a_quarter_of_the_size(size: int) -> None:
    module = build(replace(TINY_SUBPIXEL, size=size, in_size=size, channels=SIZES[size]))
    image = faces(size)
    code, features = module.encode(image)
    sides = [feature.shape[-1] for feature in features]
    assert sides == [*(4 << level for level in range(len(SIZES[size]))), size]
    assert sides[-2] == size // 4
    assert torch.equal(features[-1], image)
    output = module.synthesise(module.style(code), features)
    assert output.shape == image.shape
    assert 0.1 < float((output - image).std()) < 2


@pytest.mark.parametrize("count", [1, 3, 5])
@torch.inference_mode()
def test_an_image_passes_unchanged_where_the_change_is_silent(count: int) -> None:
    module, image = build(TINY_SUBPIXEL), faces(32, count)
    assert not torch.allclose(module(image), image, atol=0.1)
    torch.nn.init.zeros_(module.generator.to_pixels.refine.weight)
    assert torch.equal(module(image), image)


def test_silence_can_be_learned_from() -> None:
    module, image = build(TINY_SUBPIXEL), faces(32, 2)
    refine = torch.nn.init.zeros_(module.generator.to_pixels.refine.weight)
    adam = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(2):
        adam.zero_grad()
        (module(image) - 0.5 * image).square().mean().backward()
        adam.step()
    assert refine.any()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@torch.inference_mode()
def test_a_block_is_the_channels_of_one_pixel() -> None:
    """Colour by colour, row by row: exchanging two channels' weights exchanges those pixels."""
    module, image = build(TINY_SUBPIXEL), faces(32)
    first = module.encode(image)[1][-2]
    moved, kernel = image.clone(), module.ecd0[0][0].weight
    green = 1
    moved[:, green, 1::4, 2::4], moved[:, green, 3::4, 0::4] = (
        image[:, green, 3::4, 0::4],
        image[:, green, 1::4, 2::4],
    )
    assert not torch.allclose(module.encode(moved)[1][-2], first)
    one, other = (16 * green + 4 * row + column for row, column in ((1, 2), (3, 0)))
    kernel[:, [one, other]] = kernel[:, [other, one]]
    torch.testing.assert_close(module.encode(moved)[1][-2], first)


@torch.inference_mode()
def test_pixels_of_a_block_begin_alike() -> None:
    """Before the image joins, what is drawn at first is what doubling every pixel would give."""
    to_pixels = build(TINY_SUBPIXEL).generator.to_pixels
    x = torch.randn(2, 12, 8, 8)
    drawn = functional.pixel_shuffle(to_pixels.expand(x), 2)
    torch.testing.assert_close(
        drawn, drawn[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    )
    assert drawn.std() > 0.5


@torch.inference_mode()
def test_a_pixel_is_drawn_from_beyond_its_block() -> None:
    """Seen by the last convolution, so that blocks need not show."""
    to_pixels, image = build(TINY_SUBPIXEL).generator.to_pixels, faces(32)
    x, other = torch.randn(1, 12, 8, 8), image.clone()
    other[..., 16, 16] += 1  # the first pixel of a block
    reached = (to_pixels(x, other) - to_pixels(x, image)).abs().amax(dim=(0, 1)) > 1e-6
    rows = reached.any(dim=1).nonzero().flatten().tolist()
    assert rows == [14, 15, 16, 17, 18, 19]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "resnet50"}, "subpixel 4 has the encoder 'conv', .*got 'resnet50'"),
        ({"injection": "add"}, "the injection 'concat' .*'add'"),
        ({"injection": "adain"}, "the injection 'concat' .*'adain'"),
        ({"in_size": 32}, "same in_size as size; got .* 32 for 64"),
        ({"encoder_features": False}, "nothing to put beside"),
        ({"refine_width": 0}, "refine_width is 0; expected at least 1"),
        ({"subpixel": 2}, "subpixel is 2; expected one of 1, 4"),
        ({"channels": (8, 8, 8, 8, 4)}, "sides 4 to 64 of blocks of 4 pixels; got size 64"),
        ({"size": 16, "in_size": 16}, "sides 4 to 16 of blocks of 4 pixels; got size 16"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_it_cannot_be_combined_with_is_refused(changes: dict, message: str) -> None:
    net = replace(TINY_SUBPIXEL, size=64, in_size=64, channels=(8, 8, 6))
    with pytest.raises(ValueError, match=message) as caught:
        replace(net, **changes)
    assert "\n" not in str(caught.value)


def test_published_widths_are_counted_up_to_a_quarter_of_the_size() -> None:
    net = GPENConfig.published(512, narrow=0.25, subpixel=4)
    assert net.channels == GPENConfig.published(128, narrow=0.25).channels
    assert (net.entry_side, net.entry_channels, net.kind) == (128, 48, "gpen-subpixel")
    assert (TINY.entry_side, TINY.entry_channels, TINY.kind) == (32, 3, "gpen")
