"""Finds contradictory settings of the networks."""

from __future__ import annotations

from collections.abc import Iterator

from ..networks.gpen_config import published_channels
from .config import Config
from .config_sections import Discriminator, Network

_SIDES = tuple(8 << k for k in range(9))
_PATCH_SIDES = tuple(64 << k for k in range(6))
#: Channels that an image and its negative take up on their way through a level.
_PASSING = 6


def network_contradictions(config: Config) -> Iterator[tuple[str, str]]:
    network = config.network
    if network.size not in (sides := sides_of(network)):
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


def width_contradictions(config: Config) -> Iterator[tuple[str, str]]:
    """Contradictions that follow from the channels of all levels."""
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
    """Levels that images pass through, but that have too few channels for it."""
    widths = config.network.widths(config.network.size)
    sides = [config.size_at(step) for step in config.stage_starts]
    grown = {side for side in sides if config.network.pass_through or side != sides[0]}
    for side in sorted(grown & set(_SIDES)):
        level = side.bit_length() - 3
        if level < len(widths) and 0 < widths[level] < _PASSING:
            yield (
                "network.channels" if config.network.channels else "network.narrow",
                f"leaves {widths[level]} channels at {side} px; expected at least {_PASSING}, in "
                "which images pass through networks that grow or have pass_through",
            )


def sides_of(network: Network) -> tuple[int, ...]:
    """Image sizes that leave the network at least two levels."""
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


def discriminator_contradictions(config: Config) -> Iterator[tuple[str, str]]:
    judge, optimiser = config.discriminator, config.optimiser
    for loss in [config.loss, *(config.loss_at(step) for step in config.stage_starts)]:
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
    for number, step in enumerate(config.stage_starts):
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
    smallest = min(config.size_at(step) for step in config.stage_starts)
    if not 32 <= config.discriminator.region <= smallest:
        yield "discriminator.region", f"expected a side from 32 to {smallest} px"
