"""How far a generator's output is from that of the StyleGAN2 prior it was given."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ..networks.generator import Generator
from ..networks.gpen import GPEN
from ..networks.gpen_config import GPENConfig

_FACES, _SEED = 4, 0


@torch.no_grad()
def distance_from_prior(net: GPEN, prior: Mapping[str, Tensor]) -> float | None:
    """Mean absolute difference of both outputs, relative to the standard deviation of the prior's.

    Both get the same normal codes, the prior without noise, the network without encoder features.
    A prior with more levels is cut off at the network's size; the output of a network with more
    levels is averaged down.

    Args:
        net: The generator.
        prior: Tensors of a StyleGAN2 generator, by rosinality's names.

    Returns:
        0 if the outputs are equal; None if tensors of the prior are missing, or its codes have
        another length.
    """
    own = _generator_of(prior, len(net.config.channels))
    if own is None or prior["style.1.weight"].shape[1] != net.config.style_dim:
        return None
    device = next(net.parameters()).device
    own = own.to(device)
    noise = torch.Generator().manual_seed(_SEED)
    pairs = []
    for _ in range(_FACES):
        code = torch.randn(1, net.config.style_dim, generator=noise).to(device)
        expected = own(own.style(code), [])
        found = net.synthesise(net.style(code), _silent_features(net))
        pairs.append(
            (functional.avg_pool2d(found, found.shape[-1] // expected.shape[-1]), expected)
        )
    outputs, wanted = (torch.cat(images) for images in zip(*pairs, strict=True))
    return float((outputs - wanted).abs().mean() / wanted.std().clamp_min(1e-8))


def _silent_features(net: GPEN) -> list[Tensor]:
    if not net.config.encoder_features:
        return []
    like = net.generator.input.input
    return [
        like.new_zeros(1, width, 4 << level, 4 << level)
        for level, width in enumerate(net.config.channels)
    ]


def _generator_of(prior: Mapping[str, Tensor], most_levels: int) -> Generator | None:
    """The prior as a network of at most so many levels; None if tensors are missing.

    Without encoder features GPEN's generator is StyleGAN2's.
    """
    levels = 1
    while levels < most_levels and f"convs.{2 * levels - 2}.conv.weight" in prior:
        levels += 1
    widths = [f"convs.{2 * level}.conv.weight" for level in range(levels - 1)]
    if not widths:
        return None
    size = 2 << levels
    mapping = [name for name in prior if name.startswith("style.") and name.endswith(".weight")]
    config = GPENConfig(
        size,
        size,
        style_dim=prior["style.1.weight"].shape[0],
        n_mlp=len(mapping),
        channels=(prior["input.input"].shape[1], *(prior[name].shape[-4] for name in widths)),
        encoder_features=False,
        injection="add",
    )
    with torch.random.fork_rng(devices=[]):  # keeps the run's random state
        own = Generator(config, reference=False)
    state = own.state_dict()
    for name, value in state.items():
        if name.endswith(".kernel"):
            continue
        if name not in prior or prior[name].shape != value.shape:
            return None
        state[name] = prior[name]
    own.load_state_dict(state)
    return own.eval()
