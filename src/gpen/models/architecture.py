"""Expected tensor shapes of GPEN generators, and the architecture deduced from tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from ..errors import MismatchError
from ..networks.gpen_config import (
    ENCODER_WIDTH,
    EXPANSION,
    REFINE_WIDTH,
    RESNET_BLOCKS,
    Encoder,
    GPENConfig,
    Injection,
    Subpixel,
)
from .checkpoints import is_bookkeeping

Shape = tuple[int, ...]

#: The numbers that define a GPEN generator; a network is built from the same.
Architecture = GPENConfig

_STEM = "encoder.conv1.weight"
_REFINE_BIAS = "generator.to_pixels.activate.bias"


def expected_shapes(net: Architecture) -> dict[str, Shape]:
    """Every tensor of a network, with its shape, in the order that torch lists them."""
    shapes: dict[str, Shape] = {}
    for layer in range(1, net.n_mlp + 1):
        shapes |= _linear(f"generator.style.{layer}", net.style_dim, net.style_dim)
    first = net.channels[0]
    shapes["generator.input.input"] = (1, first, 4, 4)
    shapes |= _styled_conv("generator.conv1", first, first, net, upsample=False)
    if net.subpixel == 1:
        shapes |= _to_rgb("generator.to_rgb1", first, net, upsample=False)
    for i, (below, width) in enumerate(pairwise(net.channels)):
        up, flat = f"generator.convs.{2 * i}", f"generator.convs.{2 * i + 1}"
        shapes |= _styled_conv(up, net.joined * below, width, net, upsample=True)
        shapes |= _styled_conv(flat, net.joined * width, width, net, upsample=False)
    if net.subpixel == 1:
        for i, width in enumerate(net.channels[1:]):
            shapes |= _to_rgb(f"generator.to_rgbs.{i}", width, net, upsample=True)
    else:
        shapes |= _to_pixels(net)
    return shapes | (_resnet(net) if net.is_resnet else _strided_encoder(net))


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _styled_conv(
    name: str, inputs: int, outputs: int, net: Architecture, *, upsample: bool
) -> dict[str, Shape]:
    adain, blurred = net.injection == "adain", upsample and net.upsampling == "blur"
    weight = (outputs, inputs, 3, 3)
    return {
        f"{name}.conv.weight": weight if adain else (1, *weight),
        **({f"{name}.conv.blur.kernel": (4, 4)} if blurred else {}),
        **({} if adain else _linear(f"{name}.conv.modulation", net.style_dim, inputs)),
        **({f"{name}.noise.weight": (1,)} if net.encoder_features else {}),
        f"{name}.activate.bias": (net.joined * outputs,),
        **(_linear(f"{name}.adain", net.style_dim, 2 * outputs) if adain else {}),
    }


def _to_rgb(name: str, width: int, net: Architecture, *, upsample: bool) -> dict[str, Shape]:
    adain, inputs = net.injection == "adain", net.joined * width
    weight, blurred = (3, inputs, 1, 1), upsample and net.upsampling == "blur"
    return {
        f"{name}.bias": (1, 3, 1, 1),
        **({f"{name}.upsample.kernel": (4, 4)} if blurred else {}),
        f"{name}.conv.weight": weight if adain else (1, *weight),
        **({} if adain else _linear(f"{name}.conv.modulation", net.style_dim, inputs)),
    }


def _to_pixels(net: Architecture) -> dict[str, Shape]:
    width = net.refine_width
    return {
        "generator.to_pixels.expand.weight": (4 * width, net.joined * net.channels[-1], 1, 1),
        _REFINE_BIAS: (width,),
        "generator.to_pixels.refine.weight": (12, width + 12, 3, 3),
    }


def _strided_encoder(net: Architecture) -> dict[str, Shape]:
    depth = (net.entry_side // 4).bit_length() - 1
    widths = net.channels[depth::-1]
    shapes: dict[str, Shape] = {"ecd0.0.0.weight": (widths[0], net.entry_channels, 1, 1)}
    shapes["ecd0.0.1.bias"] = (widths[0],)
    for level in range(1, depth + 1):
        shapes[f"ecd{level}.0.0.kernel"] = (4, 4)
        shapes[f"ecd{level}.0.1.weight"] = (widths[level], widths[level - 1], 3, 3)
        shapes[f"ecd{level}.0.2.bias"] = (widths[level],)
    return shapes | _linear("final_linear.0", net.channels[0] * 16, net.style_dim)


def _resnet(net: Architecture) -> dict[str, Shape]:
    inputs = net.encoder_width
    shapes: dict[str, Shape] = {_STEM: (inputs, 3, 7, 7)}
    shapes |= _norm("encoder.norm1", inputs)
    for number, blocks in enumerate(RESNET_BLOCKS[net.encoder]):
        width = net.encoder_width << number
        for block in range(blocks):
            shapes |= _bottleneck(f"encoder.layer{number + 1}.{block}", inputs, width, block == 0)
            inputs = EXPANSION * width
    shapes |= _linear("encoder.fc", inputs, net.style_dim)
    if net.encoder_features:
        levels = zip(net.lateral_inputs, net.channels, strict=True)
        for level, (taken, width) in enumerate(levels):
            shapes[f"laterals.{level}.0.weight"] = (width, taken, 1, 1)
            shapes[f"laterals.{level}.1.bias"] = (width,)
    return shapes


def _norm(name: str, channels: int) -> dict[str, Shape]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _bottleneck(name: str, inputs: int, width: int, first: bool) -> dict[str, Shape]:
    outputs = EXPANSION * width
    return {
        f"{name}.conv1.weight": (width, inputs, 1, 1),
        **_norm(f"{name}.norm1", width),
        f"{name}.conv2.weight": (width, width, 3, 3),
        **_norm(f"{name}.norm2", width),
        f"{name}.conv3.weight": (outputs, width, 1, 1),
        **_norm(f"{name}.norm3", outputs),
        **({f"{name}.downsample.0.weight": (outputs, inputs, 1, 1)} if first else {}),
        **(_norm(f"{name}.downsample.1", outputs) if first else {}),
    }


def read_architecture(shapes: Mapping[str, Shape], path: Path) -> Architecture:
    """Read a GPEN network off its tensors.

    Raises:
        MismatchError: Tensors are missing, left over, or have widths that do not fit together.
    """
    try:
        net = _guess(shapes, path)
    except ValueError as error:
        raise MismatchError(
            f"{path.name} is no GPEN network: {error}: download it again", path=path, keys=[]
        ) from error
    expected = expected_shapes(net)
    wrong = [key for key, shape in expected.items() if shapes.get(key) != shape]
    left_over = [key for key in shapes if key not in expected and not is_bookkeeping(key)]
    if not wrong and not left_over:
        return net
    key = (wrong or left_over)[0]
    found = f"is {shapes[key]}" if key in shapes else "is missing"
    wanted = f"expected {expected[key]}" if key in expected else f"no part of GPEN-{net.size}"
    more = len(wrong) + len(left_over) - 1
    raise MismatchError(
        f"{path.name} is no complete GPEN network: {key} {found}, {wanted}"
        + (f" ({more} more differ)" if more else "")
        + ": download it again",
        path=path,
        keys=wrong + left_over,
    )


def _guess(shapes: Mapping[str, Shape], path: Path) -> Architecture:
    """The network that the decisive tensors speak of; the others are not looked at.

    Raises:
        MismatchError: Decisive tensors are missing.
        ValueError: They contradict each other.
    """
    subpixel: Subpixel = 4 if _any(shapes, r"generator\.to_pixels\..*") else 1
    channels = _channels(shapes, path)
    levels = len(channels) - 1
    encoder, code = _encoder(shapes, path)
    resnet = encoder != "conv"
    depth = levels if resnet else _depth(shapes, levels, path)
    injection = _injection(shapes, channels[0])
    return Architecture(
        size=4 * subpixel << levels,
        in_size=4 * subpixel << depth,
        style_dim=_axis(shapes, code, 0, path),
        n_mlp=max(0, _highest(shapes, r"generator\.style\.(\d{1,2})\.weight")),
        channels=channels,
        encoder=encoder,
        encoder_features=injection == "concat" or _any(shapes, r"generator\..*\.noise\.weight"),
        injection=injection,
        upsampling="blur" if _any(shapes, r"generator\..*\.conv\.blur\.kernel") else "nearest",
        encoder_width=_axis(shapes, _STEM, 0, path) if resnet else ENCODER_WIDTH,
        subpixel=subpixel,
        refine_width=_axis(shapes, _REFINE_BIAS, 0, path) if subpixel > 1 else REFINE_WIDTH,
    )


def _channels(shapes: Mapping[str, Shape], path: Path) -> tuple[int, ...]:
    """Width of each level; output channels lie before input channels and taps."""
    levels = _highest(shapes, r"generator\.to_rgbs\.(\d{1,2})\.bias") + 1
    if not levels:  # sub-pixel networks have none
        levels = _highest(shapes, r"generator\.convs\.(\d{1,2})\.conv\.weight") // 2 + 1
    keys = [f"generator.convs.{2 * i}.conv.weight" for i in range(levels)]
    first = _axis(shapes, "generator.input.input", 1, path)
    return first, *(_axis(shapes, key, -4, path) for key in keys)


def _encoder(shapes: Mapping[str, Shape], path: Path) -> tuple[Encoder, str]:
    """The encoder, and the name of the tensor that ends in the code.

    Raises:
        MismatchError: It is a ResNet of a depth that gpen does not know.
    """
    if _STEM not in shapes:
        return "conv", "final_linear.0.weight"
    pattern = r"encoder\.layer3\.(\d{1,2})\.conv1\.weight"
    found = _highest(shapes, pattern) + 1
    known: dict[int, Encoder] = {6: "resnet50", 23: "resnet101"}
    if found not in known:
        raise MismatchError(
            f"{path.name} has a ResNet whose layer3 has {found} blocks; expected 6 (ResNet-50) or "
            "23 (ResNet-101): download it again",
            path=path,
            keys=[key for key in shapes if re.fullmatch(pattern, key)],
        )
    return known[found], "encoder.fc.weight"


def _depth(shapes: Mapping[str, Shape], levels: int, path: Path) -> int:
    """How often a strided encoder halves the image.

    Raises:
        MismatchError: Never, or more often than the generator doubles it.
    """
    depth = _highest(shapes, r"ecd(\d{1,2})\.0\.[01]\.weight")
    if not 1 <= depth <= levels:
        raise MismatchError(
            f"{path.name} is no GPEN network: its encoder halves the image {max(0, depth)} times "
            f"and its generator doubles it {levels} times; expected no more halvings than that",
            path=path,
            keys=[key for key in shapes if key.startswith(f"ecd{depth}.")],
        )
    return depth


def _injection(shapes: Mapping[str, Shape], width: int) -> Injection:
    """How code and features enter a layer."""
    if _any(shapes, r"generator\..*\.adain\.weight"):
        return "adain"
    return "add" if shapes.get("generator.conv1.activate.bias") == (width,) else "concat"


def _axis(shapes: Mapping[str, Shape], key: str, axis: int, path: Path) -> int:
    """The length of an axis of a tensor.

    Raises:
        MismatchError: There is no such tensor, or it has fewer axes.
    """
    try:
        return shapes[key][axis]
    except (KeyError, IndexError):
        raise MismatchError(
            f"{path.name} is no complete GPEN network: {key} is missing: download it again",
            path=path,
            keys=[key],
        ) from None


def _any(shapes: Mapping[str, Shape], pattern: str) -> bool:
    return any(re.fullmatch(pattern, key) for key in shapes)


def _highest(shapes: Mapping[str, Shape], pattern: str) -> int:
    """The highest number in keys of this pattern, or -1."""
    found = (re.fullmatch(pattern, key) for key in shapes)
    return max((int(match[1]) for match in found if match), default=-1)
