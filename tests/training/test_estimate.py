"""Estimates before a run: counted on the networks themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gpen.training.config import Config  # noqa: E402
from gpen.training.config_file import load_config  # noqa: E402
from gpen.training.estimate import StageEstimate, estimate  # noqa: E402
from gpen.training.network_setup import build_discriminator, build_generator  # noqa: E402
from gpen.training.processes import Processes  # noqa: E402
from support.tiny_training import SUBPIXEL  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALLEST = "network.size=8"
GROWING = (
    "network.size=64",
    "stages=[{steps=3, size=32, loss={adversarial=0, feature_matching=0}}, {steps=2}]",
)


def estimated(config: Config) -> list[StageEstimate]:
    return estimate(config, Processes("cpu"))


def parameters(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_every_stage_has_the_parameters_of_its_networks(
    tiny_with: Callable[..., Config],
) -> None:
    config = tiny_with(*GROWING)
    found = estimated(config)
    assert [(stage.size, stage.steps) for stage in found] == [(32, 3), (64, 2)]
    for stage in found:
        assert stage.generator == parameters(build_generator(config, stage.size))
        assert stage.seconds > 0
    judge = build_discriminator(config, 64)
    assert judge is not None
    assert found[0].discriminator == 0  # it has no part in that stage's loss
    assert found[1].discriminator == parameters(judge)


@pytest.mark.parametrize("channels", ["[8, 8, 6]", "[]"])
def test_sub_pixel_networks_are_counted_too(
    tiny_with: Callable[..., Config], channels: str
) -> None:
    config = tiny_with(*SUBPIXEL, f"network.channels={channels}")
    found = estimated(config)
    assert [(stage.size, stage.steps) for stage in found] == [(32, 1), (64, 3)]
    for stage in found:
        assert stage.generator == parameters(build_generator(config, stage.size))
        assert stage.seconds > 0


def test_widths_need_not_reach_further_than_the_network(tiny_with: Callable[..., Config]) -> None:
    (stage,) = estimated(tiny_with("network.channels=[8, 8, 8, 8]"))
    assert stage.size == 32


def test_memory_grows_with_side_and_batch_and_shrinks_with_parts(
    tiny_with: Callable[..., Config],
) -> None:
    def memory(*overrides: str) -> float:
        (stage,) = estimated(tiny_with(SMALLEST, *overrides))
        return stage.memory_mib

    small = memory()
    assert memory("optimiser.batch=8") > small
    assert memory("network.size=16") > small
    assert memory("optimiser.batch=8", "optimiser.accumulate=2") == small
    assert memory("precision=bf16") < small


@pytest.mark.parametrize(
    "parts",
    [
        ("network.size=128", "discriminator.kind=patchgan", "discriminator.resolutions=[128]",
         "discriminator.patch_channels=4"),
        (SMALLEST,),
    ],
    ids=["patchgan-above-the-probe", "8-px"],
)  # fmt: skip
def test_networks_of_all_sides_are_estimated(
    tiny_with: Callable[..., Config], parts: tuple[str, ...]
) -> None:
    (stage,) = estimated(tiny_with(*parts))
    assert stage.face_mib > 0
    assert stage.discriminator > 0
    assert stage.memory_mib == stage.fixed_mib + 4 * stage.face_mib


def test_memory_counts_the_truth_that_is_judged_before_it_is_matched(
    tiny_with: Callable[..., Config],
) -> None:
    (matched,) = estimated(tiny_with(SMALLEST, "loss.r1=0"))
    (alone,) = estimated(tiny_with(SMALLEST, "loss.r1=0", "loss.feature_matching=0"))
    assert matched.face_mib > alone.face_mib


def test_time_grows_with_steps(tiny_with: Callable[..., Config]) -> None:
    stages = "stages=[{steps=10}, {steps=1000}]"
    few, many = estimated(tiny_with(SMALLEST, stages))
    assert many.seconds == pytest.approx(100 * few.seconds)


def test_nothing_is_compiled_or_read(tiny_with: Callable[..., Config]) -> None:
    config = tiny_with(SMALLEST, "compile=true", "network.init=missing")
    assert estimated(config)


def test_discriminator_that_compares_in_groups_is_counted_too(tiny: Config) -> None:
    assert estimated(tiny)[0].discriminator > 0


@pytest.mark.slow  # bf16 is emulated where the processor has none
def test_default_config_can_be_estimated() -> None:
    config = load_config(CONFIGS / "default.toml")
    found = estimated(config)
    assert [stage.size for stage in found] == [stage.size for stage in config.stages]
    assert found[-1].memory_mib > found[0].memory_mib > 100
