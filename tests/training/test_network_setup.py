"""Networks as a run builds them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from gpen.training.config import Config  # noqa: E402
from gpen.training.network_setup import build_generator  # noqa: E402

DESCRIBED = (
    "network.injection=adain",
    "network.upsampling=nearest",
    "network.encoder=resnet50",
    "network.encoder_width=8",
    "network.narrow=0.125",
)


@pytest.mark.parametrize("size", [8, 64, 256])
def test_described_networks_begin_at_the_deviation_of_photos(
    tiny_with: Callable[..., Config], size: int
) -> None:
    config = tiny_with(*DESCRIBED, f"network.size={size}")
    torch.manual_seed(0)
    with torch.inference_mode():
        image = build_generator(config, size)(torch.rand(4, 3, size, size) * 2 - 1)
    # Levels of a few pixels shift the whole image by chance: what counts is that it fits [-1, 1].
    assert 0.25 < float(image.square().mean().sqrt()) < 1.0
