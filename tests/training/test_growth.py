"""Networks that grow, and networks that begin by returning their input."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from gpen import ConfigError  # noqa: E402
from gpen.training.config import Config  # noqa: E402
from gpen.training.network_setup import build_discriminator, build_generator  # noqa: E402
from gpen.training.passthrough import pass_image_through  # noqa: E402
from gpen.training.perceptual_losses import PerceptualLosses  # noqa: E402
from gpen.training.processes import Processes  # noqa: E402
from gpen.training.trainer import Trainer  # noqa: E402
from support.tiny_training import SUBPIXEL  # noqa: E402

GROWING = ("network.size=64", "stages=[{steps=1, size=32}, {steps=1, size=64}]")


def trainer(config: Config) -> Trainer:
    return Trainer(config, PerceptualLosses(), Processes("cpu"))


def copied(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def smooth_pictures(size: int) -> torch.Tensor:
    coarse = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["network.injection=add"],
        ["network.injection=adain", "network.upsampling=nearest"],
    ],
)
def test_grown_network_first_answers_like_the_smaller_one_enlarged(
    tiny_with: Callable[..., Config], parts: list[str]
) -> None:
    run = trainer(tiny_with(*GROWING, "network.narrow=0.2", *parts))
    for name, parameter in run.net.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    image = smooth_pictures(64)
    with torch.inference_mode():
        small = run.net(torch.nn.functional.avg_pool2d(image, 2))
        run.grow(64)
        grown = run.net(image)
    mode = "nearest" if "network.upsampling=nearest" in parts else "bilinear"
    enlarged = torch.nn.functional.interpolate(small, scale_factor=2, mode=mode)
    assert float((grown - enlarged).abs().mean()) < 0.06 * float(enlarged.std())


def test_growing_keeps_what_generator_and_discriminator_know(
    tiny_with: Callable[..., Config],
) -> None:
    run = trainer(tiny_with(*GROWING, "network.narrow=0.2"))
    assert run.discriminator_step is not None
    small = copied(run.net)
    judged = {
        name: value.clone()
        for name, value in run.discriminator_step.discriminator.state_dict().items()
    }
    run.grow(64)
    grown, judge = run.net.state_dict(), run.discriminator_step.discriminator.state_dict()
    assert torch.equal(grown["ecd2.0.1.weight"], small["ecd1.0.1.weight"])
    assert torch.equal(
        grown["generator.convs.3.conv.weight"], small["generator.convs.3.conv.weight"]
    )
    assert not grown["generator.to_rgbs.3.conv.weight"].any()
    assert torch.equal(judge["convs.2.conv1.0.weight"], judged["convs.1.conv1.0.weight"])
    assert torch.equal(judge["final_linear.0.weight"], judged["final_linear.0.weight"])


def test_patch_discriminators_keep_the_nets_of_their_sides(
    tiny_with: Callable[..., Config],
) -> None:
    config = tiny_with(
        "network.size=128",
        "network.narrow=0.2",
        "stages=[{steps=1, size=64}, {steps=1, size=128}]",
        "discriminator.kind=patchgan",
        "discriminator.patch_channels=4",
    )
    run = trainer(config)
    assert run.discriminator_step is not None
    before = {
        name: value.clone()
        for name, value in run.discriminator_step.discriminator.state_dict().items()
    }
    run.grow(128)
    after = run.discriminator_step.discriminator.state_dict()
    assert len(after) == 2 * len(before)
    for name, value in before.items():
        assert torch.equal(after[name], value)


def test_network_with_a_path_returns_its_input_at_first(tiny_with: Callable[..., Config]) -> None:
    run = trainer(tiny_with("network.pass_through=true", "network.narrow=0.2"))
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        for net in (run.net, run.averages[0]):
            assert torch.allclose(net(image), image, atol=1e-5)


def test_path_moves_to_the_new_level_when_the_network_grows(
    tiny_with: Callable[..., Config],
) -> None:
    run = trainer(tiny_with(*GROWING, "network.pass_through=true", "network.narrow=0.2"))
    run.grow(64)
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(run.net(image), image, atol=1e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_sub_pixel_network_returns_its_input_at_first(
    tiny_with: Callable[..., Config], count: int
) -> None:
    run = trainer(tiny_with(*SUBPIXEL, "network.pass_through=true"))
    image = torch.rand(count, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        for net in (run.net, run.averages[0]):
            assert torch.equal(net(image), image)
        changed = trainer(tiny_with(*SUBPIXEL)).net(image)
    assert not torch.allclose(changed, image, atol=0.1)


def test_sub_pixel_network_keeps_its_levels_when_it_grows(
    tiny_with: Callable[..., Config],
) -> None:
    run = trainer(tiny_with(*SUBPIXEL, "network.channels=[8, 8, 8]"))
    with torch.no_grad():
        for value in run.net.state_dict().values():
            value.add_(1)  # unlike anything fresh
    small = copied(run.net)
    run.grow(64)
    grown = run.net.state_dict()
    assert "ecd2.0.1.weight" in grown
    for name, value in small.items():
        # A level of synthesis, two layers, comes before those that there were.
        moved = re.sub(r"convs\.(\d+)", lambda match: f"convs.{int(match[1]) + 2}", name)
        assert torch.equal(grown[moved], value), name


def test_channels_are_widths_of_the_levels_that_smaller_stages_have_too(
    tiny_with: Callable[..., Config],
) -> None:
    config = tiny_with(*SUBPIXEL)
    assert build_generator(config, 32).config.channels == (8, 6)
    assert build_generator(config, 64).config.channels == (8, 8, 6)
    plain = tiny_with("network.channels=[10, 9, 8, 7]")
    assert build_generator(plain, 32).config.channels == (10, 9, 8, 7)
    counted = tiny_with("network.subpixel=4", "network.narrow=0.0625")
    assert build_generator(counted, 32).config.channels == (32, 32)


def test_path_needs_six_channels(tiny_with: Callable[..., Config]) -> None:
    narrow = ("network.size=64", "stages=[{steps=1}]", "network.narrow=0.015625")
    with pytest.raises(ConfigError, match="leaves 4 channels at 64 px; expected at least 6"):
        tiny_with("network.pass_through=true", *narrow)
    net = build_generator(tiny_with(*narrow), 64)
    with pytest.raises(ValueError, match="at least 6 channels; got 4"):
        pass_image_through(net)


@pytest.mark.parametrize("kind", ["stylegan2", "patchgan", "none"])
def test_discriminators_of_the_config_are_built(
    tiny_with: Callable[..., Config], kind: str
) -> None:
    losses = ["loss.adversarial=0", "loss.feature_matching=0"] if kind == "none" else []
    config = tiny_with(
        f"discriminator.kind={kind}", *losses, "network.size=64", "stages=[{steps=1}]"
    )
    judge = build_discriminator(config, 64)
    assert (judge is None) == (kind == "none")
    assert build_generator(config, 64).config.size == 64
