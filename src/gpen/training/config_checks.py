"""What a config must not say, found before anything is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ..errors import ConfigError
from ..face_templates import TEMPLATES
from ..networks.gpen_config import published_channels
from .config import Config, Discriminator, Network
from .degradation.recipes import chains_of

_SIDES = tuple(8 << k for k in range(9))
_PATCH_SIDES = tuple(64 << k for k in range(6))
_SEEDS = 1 << 63
#: Channels that an image and its negative take up on their way through a level.
_PASSING = 6


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
    yield from _network(config)
    yield from _stages(config)
    yield from _losses(config)
    yield from _discriminator(config)
    if config.network.size in _sides(config.network):
        yield from _widths(config)
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


def _network(config: Config) -> Iterator[tuple[str, str]]:
    network = config.network
    if network.size not in (sides := _sides(network)):
        yield "network.size", f"{network.size} is no power of two from {sides[0]} to {sides[-1]}"
    yield from _subpixel(network)
    if network.injection == "concat" and not network.encoder_features:
        yield "network.injection", "concat needs encoder_features = true: there is nothing to join"
    if network.pass_through and (network.encoder, network.injection) != ("conv", "concat"):
        yield "network.pass_through", 'needs encoder "conv" and injection "concat"'
    if network.encoder_width < 2 or network.encoder_width % 2:
        yield "network.encoder_width", "expected an even number of at least 2"
    if network.n_mlp < 1 or network.style_dim < 1:
        yield "network.n_mlp", "expected n_mlp and style_dim of at least 1"
    if network.prior and network.subpixel > 1:
        yield "network.prior", "draws with RGB layers, which a sub-pixel network does not have"
    if network.prior and (network.init or network.pass_through):
        yield "network.prior", "init and pass_through would replace it: leave them out"
    if network.encoder_init and (network.encoder == "conv" or network.init):
        yield "network.encoder_init", "needs a ResNet as network.encoder, and no network.init"
    if network.prior and config.size_at(0) != network.size:
        yield "network.prior", "fills the first stage's levels only: begin at network.size"


def _widths(config: Config) -> Iterator[tuple[str, str]]:
    """What the widths of all levels, which a few numbers decide, do not allow."""
    network = config.network
    parts: dict[str, tuple[Network | Discriminator, int]] = {}
    if network.channels:
        yield from _channels(network)
    else:
        parts["network"] = network, network.size // network.subpixel
    if config.discriminator.kind == "stylegan2":
        parts["discriminator"] = config.discriminator, network.size
    for key, (part, top) in parts.items():
        if part.narrow <= 0 or part.channel_multiplier <= 0:
            yield f"{key}.narrow", "expected narrow and channel_multiplier above 0"
            continue
        widths = published_channels(top, part.channel_multiplier, part.narrow)
        if min(widths) < 1:
            side = 4 << widths.index(min(widths))
            yield f"{key}.narrow", f"{part.narrow} leaves no channel at {side} px; expected more"
    if network.encoder == "conv" and network.subpixel == 1:
        yield from _passing(config)


def _passing(config: Config) -> Iterator[tuple[str, str]]:
    """Levels through which images pass, and that are too narrow for it."""
    widths = config.network.widths(config.network.size)
    sides = [config.size_at(step) for step in _starts(config)]
    grown = {side for side in sides if config.network.pass_through or side != sides[0]}
    for side in sorted(grown & set(_SIDES)):
        level = side.bit_length() - 3
        if level < len(widths) and 0 < widths[level] < _PASSING:
            yield (
                "network.channels" if config.network.channels else "network.narrow",
                f"leaves {widths[level]} channels at {side} px; expected at least {_PASSING}, in "
                "which images pass through networks that grow or have pass_through",
            )


def _sides(network: Network) -> tuple[int, ...]:
    """Sides of images that leave a network at least two levels."""
    return tuple(side for side in _SIDES if side >= _SIDES[0] * network.subpixel)


def _subpixel(network: Network) -> Iterator[tuple[str, str]]:
    if network.refine_width < 1:
        yield "network.refine_width", "expected at least 1 channel"
    if network.subpixel == 1:
        return
    if (network.encoder, network.injection) != ("conv", "concat"):
        yield (
            "network.subpixel",
            f'{network.subpixel} needs encoder "conv" and injection "concat"; got '
            f'"{network.encoder}" and "{network.injection}"',
        )


def _channels(network: Network) -> Iterator[tuple[str, str]]:
    top = network.size // network.subpixel
    levels = top.bit_length() - 2
    if len(network.channels) != levels:
        yield (
            "network.channels",
            f"{len(network.channels)} widths; expected {levels}, one for each level from 4 px to "
            f"{top} px",
        )
    if min(network.channels) < 1:
        yield "network.channels", "expected widths of at least 1"


def _stages(config: Config) -> Iterator[tuple[str, str]]:
    if config.steps < 1:
        yield "stages", "expected at least one stage with steps"
    if any(stage.steps < 1 for stage in config.stages):
        yield "stages", "expected at least one step in every stage"
    before = 0
    for number, stage in enumerate(config.stages):
        key, size = f"stages[{number}].size", stage.size or config.network.size
        if size not in (sides := _sides(config.network)) or size > config.network.size:
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


def _discriminator(config: Config) -> Iterator[tuple[str, str]]:
    judge, optimiser = config.discriminator, config.optimiser
    for loss in [config.loss, *(config.loss_at(step) for step in _starts(config))]:
        if judge.kind == "none" and (loss.adversarial or loss.feature_matching):
            yield (
                "discriminator.kind",
                'is "none", but an adversarial or feature_matching loss is above 0: set it to 0',
            )
            break
        if loss.feature_matching and not loss.adversarial:
            yield (
                "loss.feature_matching",
                "needs loss.adversarial: nothing else trains its features",
            )
            break
    if judge.group < 0 or (judge.group and optimiser.batch % judge.group):
        yield "discriminator.group", f"{judge.group} does not divide the batch, {optimiser.batch}"
    if judge.kind == "patchgan":
        yield from _patchgan(config)
    if judge.kind == "projected":
        yield from _projected(config)


def _patchgan(config: Config) -> Iterator[tuple[str, str]]:
    sides = config.discriminator.resolutions
    if config.discriminator.patch_channels < 1:
        yield "discriminator.patch_channels", "expected at least 1"
    if not sides or len(set(sides)) < len(sides) or not set(sides) <= set(_PATCH_SIDES):
        expected = ", ".join(map(str, _PATCH_SIDES))
        yield "discriminator.resolutions", f"{list(sides)}; expected some of {expected}, each once"
        return
    for number, step in enumerate(_starts(config)):
        size = config.size_at(step)
        if config.loss_at(step).adversarial and size < min(sides):
            yield (
                f"stages[{number}].loss",
                f"is adversarial at {size} px, below the smallest of discriminator.resolutions "
                f"({min(sides)}): set adversarial and feature_matching to 0 in that stage",
            )


def _projected(config: Config) -> Iterator[tuple[str, str]]:
    if not config.files.lpips_backbone:
        yield (
            "files.lpips_backbone",
            "the projected discriminator looks through its features: set it, and lpips_heads",
        )
    if config.loss.r1:
        yield "loss.r1", "is for discriminators that see images: set it to 0, and lecam instead"
    smallest = min(config.size_at(step) for step in _starts(config))
    if not 32 <= config.discriminator.region <= smallest:
        yield "discriminator.region", f"expected a side from 32 to {smallest} px"


def _starts(config: Config) -> Iterator[int]:
    step = 0
    for stage in config.stages:
        yield step
        step += stage.steps
