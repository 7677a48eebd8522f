"""Small random GPEN networks for tests, made without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from gpen.models import Architecture, Tensor
from gpen.models.architecture import expected_shapes
from gpen.models.safetensors import write_safetensors

TINY = Architecture(size=32, in_size=32, style_dim=16, n_mlp=2, channels=(8, 8, 8, 4))
TINY_SR = Architecture(size=64, in_size=16, style_dim=16, n_mlp=3, channels=(8, 8, 8, 4, 4))

TINY_DESCRIBED = Architecture(
    size=32,
    in_size=32,
    style_dim=16,
    n_mlp=2,
    channels=(8, 8, 8, 4),
    encoder="resnet50",
    injection="adain",
    upsampling="nearest",
    encoder_width=4,
)

TINY_SUBPIXEL = Architecture(
    size=32,
    in_size=32,
    style_dim=16,
    n_mlp=2,
    channels=(8, 6),
    subpixel=4,
    refine_width=5,
)


def _variants() -> dict[str, Architecture]:
    """Every choice of parts with every other that means something."""
    found = {}
    for encoder, features, injection, upsampling in product(
        ("conv", "resnet50", "resnet101"),
        (True, False),
        ("concat", "add", "adain"),
        ("blur", "nearest"),
    ):
        if injection == "concat" and not features:
            continue
        name = f"{encoder}-{'features' if features else 'code'}-{injection}-{upsampling}"
        found[name] = replace(
            TINY if encoder == "conv" else TINY_DESCRIBED,
            encoder=encoder,
            encoder_features=features,
            injection=injection,
            upsampling=upsampling,
        )
    for upsampling in ("blur", "nearest"):
        found[f"subpixel-{upsampling}"] = replace(TINY_SUBPIXEL, upsampling=upsampling)
    return found


#: All combinations of parts, by name.
VARIANTS = _variants()
#: Each part at least once, and the published network: what tests that run networks are run with.
ONE_PER_PART = {
    name: VARIANTS[name]
    for name in (
        "conv-features-concat-blur",
        "conv-features-add-nearest",
        "conv-code-adain-blur",
        "resnet50-features-adain-nearest",
        "resnet50-code-add-blur",
        "resnet101-features-concat-nearest",
    )
}


def published(size: int, *, widest: int = 512, in_size: int | None = None) -> Architecture:
    """A network of published depth; `widest` 512 is the published width from 512 px on."""
    levels = int(np.log2(size)) - 1
    widths = [widest] * 5 + [widest >> k for k in range(1, 7)]
    return Architecture(size, in_size or size, 512, 8, tuple(widths[:levels]))


def random_tensors(net: Architecture, seed: int = 0) -> dict[str, Tensor]:
    """Weights that give every part of the network something to do."""
    random = np.random.default_rng(seed)
    blur = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    tensors = {}
    for name, shape in expected_shapes(net).items():
        values = random.standard_normal(shape).astype(np.float32)
        if name.endswith("kernel"):
            values = blur * np.float32(1 if name.startswith("ecd") else 4)
        elif name.startswith("generator.style") and name.endswith("weight"):
            values *= np.float32(100)  # undoes the learning-rate multiplier
        elif name.endswith(("modulation.bias", "adain.bias")):
            values = 1 + values * np.float32(0.1)
        elif name.endswith("bias"):
            values *= np.float32(0.1)
        tensors[name] = Tensor("f32", values)
    return tensors


def save_safetensors(net: Architecture, path: Path, seed: int = 0) -> Path:
    write_safetensors(random_tensors(net, seed), path)
    return path


def to_torch(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    import torch

    return {name: torch.from_numpy(np.array(t.float32())) for name, t in tensors.items()}


def assert_same_tensors(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Same names in the same order, same shapes, same dtypes, same bits."""
    assert list(first) == list(second)
    for name, tensor in first.items():
        other = second[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape), name
        assert tensor.tobytes() == other.tobytes(), name
