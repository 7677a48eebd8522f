"""Configs: what is read, what is refused, and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpen import ConfigError
from gpen.training.config import Config
from gpen.training.configfile import load_config, parse_config, to_toml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("name", ["default", "published", "described"])
def test_shipped_configs_are_valid_and_need_no_weight_file(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.toml")
    for step in (0, config.steps - 1):
        loss = config.loss_at(step)
        assert loss.perceptual == loss.lpips == loss.identity == 0
    assert config.size_at(config.steps - 1) == config.network.size


@pytest.mark.parametrize("name", ["default", "published", "described"])
def test_config_written_as_toml_is_read_as_the_same(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.toml", ['network.init=a "b" \\c.pth'])
    assert parse_config(to_toml(config)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimiser]\nbach = 4", "optimiser.bach is no setting: did you mean batch?"),
        ("[optimizer]\nbatch = 4", "optimizer is no setting: did you mean optimiser?"),
        ("sead = 1", "did you mean seed?"),
        ("[optimiser]\nbatch = 4.5", "optimiser.batch is 4.5; expected int"),
        ("[optimiser]\nlr = true", "optimiser.lr is True; expected float"),
        ('[network]\nencoder = "vgg"', "expected 'conv' or 'resnet50' or 'resnet101'"),
        ("[optimiser]\nbetas = [0.1]", "optimiser.betas"),
        ("network = 3", "expected a table"),
        ("[[stages]]\nsteps = 4\nloss = { lipps = 1 }", "did you mean lpips?"),
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
        (["every=0"], "every"),
    ],
)
def test_contradiction_is_refused_at_start(overrides: list[str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("", overrides)
    assert caught.value.key == key


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
