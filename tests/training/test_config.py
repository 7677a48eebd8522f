"""Configs: what is read, what is refused, and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpen import ConfigError
from gpen.training.config import Config
from gpen.training.config_file import load_config, parse_config, to_toml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SHIPPED = sorted(path.stem for path in CONFIGS.glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_are_valid_and_need_no_weight_file(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.toml")
    for step in (0, config.steps - 1):
        loss = config.loss_at(step)
        assert loss.perceptual == loss.lpips == loss.identity == 0
    assert config.size_at(config.steps - 1) == config.network.size


@pytest.mark.parametrize("name", SHIPPED)
def test_config_written_as_toml_is_read_as_the_same(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.toml", ['network.init=a "b" \\c.pth'])
    assert parse_config(to_toml(config)) == config


def test_sub_pixel_config_written_as_toml_is_read_as_the_same() -> None:
    config = parse_config("", ["network.subpixel=4", "network.channels=[8, 8, 8, 8, 6]"])
    assert config.network.channels == (8, 8, 8, 8, 6)
    assert parse_config(to_toml(config)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimiser]\nbach = 4", "optimiser.bach is no setting: did you mean batch?"),
        ("[optimizer]\nbatch = 4", "optimizer is no setting: did you mean optimiser?"),
        ("sead = 1", "did you mean seed?"),
        ("[optimiser]\nbatch = 4.5", "optimiser.batch is 4.5; expected int"),
        ("[optimiser]\nlr = true", "optimiser.lr is True; expected float"),
        ("[network]\nsubpixel = 2", "network.subpixel is 2; expected 1 or 4"),
        ("[network]\nsubpixel = true", "network.subpixel is True; expected 1 or 4"),
        ("[network]\nsubpixel = 4.0", "network.subpixel is 4.0; expected 1 or 4"),
        ("[network]\nchannels = [8, 4.5]", "network.channels[1] is 4.5; expected int"),
        ('[network]\nencoder = "vgg"', "expected 'conv' or 'resnet50' or 'resnet101'"),
        ("[optimiser]\nbetas = [0.1]", "optimiser.betas"),
        ("network = 3", "expected a table"),
        ("[[stages]]\nsteps = 4\nloss = { lipps = 1 }", "did you mean lpips?"),
        ("[optimiser]\nlr = inf", "optimiser.lr is inf; expected a finite number"),
        ("[loss]\nl1 = nan", "loss.l1 is nan; expected a finite number"),
        ("[[stages]]\nsteps = 4\nloss = { l1 = nan }", "stages[0].loss.l1 is nan"),
        ("[optimiser]\nlr = 1" + "0" * 400, "expected a finite number"),
        ('[degradation]\npresets = ["publshed"]', "did you mean published?"),
        ("= 3", "no TOML"),
    ],
)
def test_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["network.size=100"], "network.size"),
        (["network.injection=concat", "network.encoder_features=false"], "network.injection"),
        (["network.pass_through=true", "network.encoder=resnet50"], "network.pass_through"),
        (["network.subpixel=4", "network.encoder=resnet50"], "network.subpixel"),
        (["network.subpixel=4", "network.injection=add"], "network.subpixel"),
        (["network.subpixel=4", "network.prior=b"], "network.prior"),
        (["network.refine_width=0"], "network.refine_width"),
        (["network.channels=[8, 8]"], "network.channels"),
        (["network.channels=[8, 8, 8, 8, 8, 8, 8]", "network.subpixel=4"], "network.channels"),
        (["network.channels=[8, 8, 8, 8, 8, 8, 0]"], "network.channels"),
        (["network.subpixel=4", "stages=[{steps=2, size=16}]"], "stages[0].size"),
        (["network.subpixel=4", "network.size=16"], "network.size"),
        (["network.pass_through=true", "network.channels=[8, 8, 8, 8, 8, 8, 5]"],
         "network.channels"),
        (["network.init=a", "network.prior=b"], "network.prior"),
        (["discriminator.kind=none"], "discriminator.kind"),
        (["loss.adversarial=0"], "loss.feature_matching"),
        (["optimiser.batch=6", "optimiser.accumulate=4"], "optimiser.batch"),
        (["discriminator.group=3"], "discriminator.group"),
        (["stages=[{steps=2, size=64}, {steps=2, size=256}]"], "stages[1].size"),
        (["stages=[{steps=2, size=128}]"], "stages"),
        (["stages=[]"], "stages"),
        (["data.train=a", "data.val=a"], "data.val"),
        (["degradation.light=2"], "data.flip"),
        (["optimiser.betas=[0.9, 1.5]"], "optimiser.betas"),
        (["optimiser.betas=[-0.1, 0.9]"], "optimiser.betas"),
        (["network.narrow=0.0001"], "network.narrow"),
        (["network.narrow=0.01", "network.pass_through=true"], "network.narrow"),
        (["network.narrow=0.01", "stages=[{steps=1, size=128}, {steps=1}]"], "network.narrow"),
        (["discriminator.narrow=0.0001"], "discriminator.narrow"),
        (["discriminator.channel_multiplier=-1"], "discriminator.narrow"),
        (["seed=-1"], "seed"),
        (["seed=18446744073709551615"], "seed"),
        (["loss.l1=-1"], "loss.l1"),
        (["stages=[{steps=1, loss={mouth=-1}}]"], "stages[0].loss.mouth"),
        (["stages=[{steps=1, loss={r1_every=0}}]"], "stages[0].loss.r1_every"),
        (['degradation.presets=["real", "rael"]'], "degradation.presets"),
        (["discriminator.kind=patchgan", "discriminator.resolutions=[32]"],
         "discriminator.resolutions"),
        (["discriminator.kind=patchgan", "discriminator.resolutions=[64, 64]"],
         "discriminator.resolutions"),
        (["discriminator.kind=patchgan", "discriminator.patch_channels=0"],
         "discriminator.patch_channels"),
        (["discriminator.kind=patchgan", "network.size=32"], "stages[0].loss"),
        (["discriminator.kind=patchgan", "discriminator.resolutions=[128, 256]",
          "stages=[{steps=1, size=64, loss={adversarial=0, feature_matching=0}},"
          "{steps=1, size=64}, {steps=1, size=128}, {steps=1}]"], "stages[1].loss"),
        (['name="a\\tb"'], "name"),
        (["every=0"], "every"),
    ],
)  # fmt: skip
def test_contradiction_is_refused_at_start(overrides: list[str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("", overrides)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"{key}: ")
    assert "\n" not in str(caught.value)


def test_stage_without_adversarial_loss_may_lie_below_all_sides_of_patchgan() -> None:
    quiet = "loss={adversarial=0, feature_matching=0}"
    stages = f"stages=[{{steps=1, size=32, {quiet}}}, {{steps=1, size=64, {quiet}}}, {{steps=1}}]"
    judge = ["discriminator.kind=patchgan", "discriminator.resolutions=[128]"]
    config = parse_config("", [*judge, "network.size=128", stages])
    assert config.size_at(0) == 32


def test_overrides_take_toml_values_and_plain_text() -> None:
    config = parse_config(
        "", ["optimiser.lr=1e-4", "name=my run", "data.train=a,b", "optimiser.betas=[0, 0.9]"]
    )
    assert config.optimiser.lr == 1e-4
    assert config.name == "my run"
    assert config.data.train == ("a", "b")
    assert config.optimiser.betas == (0.0, 0.9)


def test_override_without_a_value_or_through_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="key=value"):
        parse_config("", ["optimiser.lr"])
    with pytest.raises(ConfigError, match="no table"):
        parse_config("seed = 1", ["seed.x=2"])


def test_missing_config_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml"):
        load_config(tmp_path / "none.toml")


def test_stages_change_size_and_losses() -> None:
    stages = "stages=[{steps=3, size=128, loss={adversarial=0, feature_matching=0}}, {steps=2}]"
    config: Config = parse_config("", [stages])
    assert config.steps == 5
    assert [config.size_at(step) for step in range(6)] == [128] * 3 + [256] * 3
    assert config.loss_at(2).adversarial == 0
    assert config.loss_at(3).adversarial == config.loss.adversarial
