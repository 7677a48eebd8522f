"""Finds contradictory settings before anything is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ..errors import ConfigError
from ..face_templates import TEMPLATES
from .config import Config
from .degradation.recipes import chains_of
from .network_checks import (
    discriminator_contradictions,
    network_contradictions,
    sides_of,
    width_contradictions,
)

_SEEDS = 1 << 63


def check_config(config: Config) -> None:
    """Refuse settings that contradict each other.

    Raises:
        ConfigError: Names every contradiction, and the first one's key.
    """
    found = list(_contradictions(config))
    if found:
        raise ConfigError("; ".join(f"{key}: {what}" for key, what in found), key=found[0][0])


def check_shares(config: Config, world: int) -> None:
    """Refuse a batch that cannot be shared out to the processes.

    Raises:
        ConfigError: Names the number that would do.
    """
    parts, group = world * config.optimiser.accumulate, max(1, config.discriminator.group)
    if config.optimiser.batch % (parts * group):
        raise ConfigError(
            f"optimiser.batch is {config.optimiser.batch}; expected a multiple of {parts * group}: "
            f"{world} processes × accumulate {config.optimiser.accumulate} × discriminator.group "
            f"{group}",
            key="optimiser.batch",
        )


def _contradictions(config: Config) -> Iterator[tuple[str, str]]:
    yield from network_contradictions(config)
    yield from _stages(config)
    yield from _losses(config)
    yield from discriminator_contradictions(config)
    if config.network.size in sides_of(config.network):
        yield from width_contradictions(config)
    yield from _optimiser(config)
    yield from _data(config)
    if not config.name or set(config.name) & set("/\\") or not config.name.isprintable():
        yield "name", "expected printable text without slashes: it names the run's folder"
    if not 0 <= config.seed < _SEEDS:
        yield "seed", f"{config.seed}; expected a number from 0 to 2⁶³ - 1"
    if config.every < 1 or config.log_every < 1:
        yield "every", "expected every and log_every of at least 1"


def _optimiser(config: Config) -> Iterator[tuple[str, str]]:
    optimiser = config.optimiser
    if optimiser.batch < 1 or optimiser.accumulate < 1 or optimiser.batch % optimiser.accumulate:
        yield "optimiser.batch", f"expected a multiple of accumulate ({optimiser.accumulate})"
    if optimiser.lr <= 0:
        yield "optimiser.lr", "expected a rate above 0"
    if not optimiser.ema_half_lives or min(optimiser.ema_half_lives) <= 0:
        yield "optimiser.ema_half_lives", "expected at least one number of faces above 0"
    if not all(0 <= beta < 1 for beta in optimiser.betas):
        yield "optimiser.betas", f"{list(optimiser.betas)}; expected two numbers from 0 to below 1"
    for key in ("decay", "warmup", "clip_norm", "encoder", "synthesis", "discriminator"):
        if getattr(optimiser, key) < 0:
            yield f"optimiser.{key}", "expected 0 or more"
    if not 0 <= optimiser.decay <= 1:
        yield "optimiser.decay", "expected a share from 0 to 1"


def _data(config: Config) -> Iterator[tuple[str, str]]:
    data, damage = config.data, config.degradation
    if not all(0 <= share <= 1 for share in (data.flip, damage.light)) or damage.grey > 1:
        yield "data.flip", "expected shares (data.flip, degradation.light, .grey) from 0 to 1"
    for template in set(data.templates) - set(TEMPLATES):
        yield "data.templates", f"{template!r}; expected some of {', '.join(TEMPLATES)}"
    if not data.templates:
        yield "data.templates", 'expected at least one alignment, as in ["gpen"]'
    if min(data.detail, data.rotate, data.zoom, data.shift, data.tone) < 0 or data.zoom >= 1:
        yield (
            "data.rotate",
            "expected rotate, zoom, shift, tone and detail of 0 or more",
        )
    if data.workers < 0 or data.validated < 1:
        yield "data.workers", "expected workers of 0 or more and at least one face to validate"
    if set(data.train) & set(data.val):
        yield "data.val", "expected other faces than data.train: what is learned is no test"
    if not damage.presets:
        yield "degradation.presets", 'expected at least one recipe, as in ["published"]'
    for preset in damage.presets:
        try:
            chains_of(preset)
        except ConfigError as error:
            yield error.key, str(error)


def check_data(config: Config) -> None:
    """Refuse a run without faces.

    Raises:
        ConfigError: Names the setting.
    """
    for name in ("train", "val"):
        if not getattr(config.data, name):
            raise ConfigError(
                f"data.{name} is empty; expected folders of faces: set data.{name}=faces/{name}",
                key=f"data.{name}",
            )


def _stages(config: Config) -> Iterator[tuple[str, str]]:
    if config.steps < 1:
        yield "stages", "expected at least one stage with steps"
    if any(stage.steps < 1 for stage in config.stages):
        yield "stages", "expected at least one step in every stage"
    before = 0
    for number, stage in enumerate(config.stages):
        key, size = f"stages[{number}].size", stage.size or config.network.size
        if size not in (sides := sides_of(config.network)) or size > config.network.size:
            yield (
                key,
                f"{size} is no power of two from {sides[0]} up to network.size "
                f"({config.network.size})",
            )
        elif before and size not in (before, 2 * before):
            yield key, f"{size} follows {before}; expected the same or twice as much"
        before = size
    if config.stages and before != config.network.size:
        yield "stages", f"the last stage ends at {before} px; expected {config.network.size}"


def _losses(config: Config) -> Iterator[tuple[str, str]]:
    """Every number of `[loss]`, and those of stages."""
    own = [(f"stages[{number}].loss", stage.loss) for number, stage in enumerate(config.stages)]
    for place, values in [("loss", dataclasses.asdict(config.loss)), *own]:
        for name, value in values.items():
            key = f"{place}.{name}"
            if name.endswith("_every") and value < 1:
                yield key, f"{value}; expected at least 1"
            elif isinstance(value, float) and value < 0:
                yield key, f"{value}; expected 0 or more"
            elif name == "relative" and value > 1:
                yield key, f"{value}; expected a number from 0 to 1"
