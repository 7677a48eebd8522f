"""What weight files there are, how each is recognised, and what shape a GPEN network has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import MismatchError

Role = Literal["restorer", "detector", "none"]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of weight files.

    Attributes:
        id: Short name, as `gpen models` shows it.
        title: What to call it in a sentence.
        marks: Tensor names, or their beginnings where they end in `*`, that together are found in
            no other family.
        role: What gpen can use it for.
    """

    id: str
    title: str
    marks: tuple[str, ...]
    role: Role = "none"


#: The first whose marks are all there is meant, so the particular stand before the general.
KINDS = (
    Kind(
        "gpen",
        "a GPEN generator",
        ("ecd0.0.0.weight", "final_linear.0.weight", "generator.input.input"),
        role="restorer",
    ),
    Kind(
        "gpen-discriminator",
        "a GPEN discriminator",
        ("convs.1.conv1.0.weight", "final_conv.0.weight", "final_linear.1.weight"),
    ),
    Kind(
        "retinaface",
        "a RetinaFace detector",
        ("BboxHead.0.conv1x1.weight", "ClassHead.0.conv1x1.weight", "LandmarkHead.*"),
        role="detector",
    ),
    Kind("gfpgan", "a GFPGAN restorer", ("stylegan_decoder.*", "final_linear.weight")),
    Kind("codeformer", "a CodeFormer restorer", ("quantize.embedding.weight", "ft_layers.*")),
    Kind(
        "restoreformer",
        "a RestoreFormer restorer",
        ("quantize.embedding.weight", "encoder.conv_in.weight", "decoder.conv_in.weight"),
    ),
    Kind(
        "restoreformer",
        "a RestoreFormer restorer",
        ("vqvae.quantize.embedding.weight", "vqvae.encoder.conv_in.weight"),
    ),
    Kind("stable-diffusion", "a Stable Diffusion model", ("model.diffusion_model.*",)),
    Kind("stable-diffusion", "a Stable Diffusion VAE", ("encoder.mid.*", "post_quant_conv.*")),
    Kind("stable-diffusion", "a Stable Diffusion LoRA", ("lora_unet_*",)),
    Kind("rrdb", "a Real-ESRGAN upscaler", ("conv_first.weight", "body.0.rdb1.conv1.weight")),
    Kind("rrdb", "an ESRGAN upscaler", ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    Kind("rrdb", "an ESRGAN upscaler", ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight")),
    Kind("parsenet", "a ParseNet face parser", ("out_mask_conv.conv2d.weight",)),
    Kind("bisenet", "a BiSeNet face parser", ("cp.resnet.conv1.weight", "conv_out.*")),
    Kind(
        "stylegan2",
        "a bare StyleGAN2 generator",
        ("style.1.weight", "input.input", "conv1.conv.weight"),
    ),
    Kind("stylegan2", "a bare StyleGAN2 generator", ("synthesis.b4.const", "mapping.*")),
    Kind("arcface", "an ArcFace identity network", ("input_layer.0.weight", "output_layer.*")),
    Kind("lpips", "the heads of an LPIPS metric", ("lin0.model.1.weight",)),
)


def recognise(names: Iterable[str]) -> Kind | None:
    """The family that tensor names belong to, or None."""
    known = set(names)

    def has(mark: str) -> bool:
        if mark.endswith("*"):
            return any(name.startswith(mark[:-1]) for name in known)
        return mark in known

    return next((kind for kind in KINDS if all(map(has, kind.marks))), None)


@dataclass(frozen=True, slots=True)
class Architecture:
    """The numbers that define a GPEN generator.

    Attributes:
        size: Side of the picture it returns, in pixels.
        in_size: Side of the picture it takes; smaller than `size` in super-resolution variants.
        style_dim: Length of the style vector.
        n_mlp: Layers that map the encoder's answer to the style.
        channels: Width of each level, from 4 × 4 to `size` × `size`.
    """

    size: int
    in_size: int
    style_dim: int
    n_mlp: int
    channels: tuple[int, ...]

    @property
    def kind(self) -> str:
        """`gpen`, or `gpen-sr` for a super-resolution variant."""
        return "gpen" if self.in_size == self.size else "gpen-sr"


def expected_shapes(net: Architecture) -> dict[str, Shape]:
    """Every tensor of a published network, with its shape, in the published order."""
    shapes: dict[str, Shape] = {}
    for layer in range(1, net.n_mlp + 1):
        shapes |= _linear(f"generator.style.{layer}", net.style_dim, net.style_dim)
    first = net.channels[0]
    shapes["generator.input.input"] = (1, first, 4, 4)
    shapes |= _styled_conv("generator.conv1", first, first, net.style_dim, upsample=False)
    shapes |= _to_rgb("generator.to_rgb1", first, net.style_dim, upsample=False)
    levels = list(zip(net.channels, net.channels[1:], strict=False))
    for i, (below, width) in enumerate(levels):
        up, flat = f"generator.convs.{2 * i}", f"generator.convs.{2 * i + 1}"
        shapes |= _styled_conv(up, 2 * below, width, net.style_dim, upsample=True)
        shapes |= _styled_conv(flat, 2 * width, width, net.style_dim, upsample=False)
    for i, (_, width) in enumerate(levels):
        shapes |= _to_rgb(f"generator.to_rgbs.{i}", width, net.style_dim, upsample=True)
    return shapes | _encoder(net)


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _styled_conv(
    name: str, inputs: int, outputs: int, style_dim: int, *, upsample: bool
) -> dict[str, Shape]:
    return {
        f"{name}.conv.weight": (1, outputs, inputs, 3, 3),
        **({f"{name}.conv.blur.kernel": (4, 4)} if upsample else {}),
        **_linear(f"{name}.conv.modulation", style_dim, inputs),
        f"{name}.noise.weight": (1,),
        f"{name}.activate.bias": (2 * outputs,),
    }


def _to_rgb(name: str, width: int, style_dim: int, *, upsample: bool) -> dict[str, Shape]:
    return {
        f"{name}.bias": (1, 3, 1, 1),
        **({f"{name}.upsample.kernel": (4, 4)} if upsample else {}),
        f"{name}.conv.weight": (1, 3, 2 * width, 1, 1),
        **_linear(f"{name}.conv.modulation", style_dim, 2 * width),
    }


def _encoder(net: Architecture) -> dict[str, Shape]:
    depth = (net.in_size // 4).bit_length() - 1
    widths = net.channels[depth::-1]
    shapes: dict[str, Shape] = {"ecd0.0.0.weight": (widths[0], 3, 1, 1)}
    shapes["ecd0.0.1.bias"] = (widths[0],)
    for level in range(1, depth + 1):
        shapes[f"ecd{level}.0.0.kernel"] = (4, 4)
        shapes[f"ecd{level}.0.1.weight"] = (widths[level], widths[level - 1], 3, 3)
        shapes[f"ecd{level}.0.2.bias"] = (widths[level],)
    return shapes | _linear("final_linear.0", net.channels[0] * 16, net.style_dim)


def read_architecture(shapes: Mapping[str, Shape], path: Path) -> Architecture:
    """Read a GPEN network off its tensors.

    Raises:
        MismatchError: Tensors are missing, left over, or have widths that do not fit together.
    """
    net = _guess(shapes, path)
    expected = expected_shapes(net)
    wrong = [key for key, shape in expected.items() if shapes.get(key) != shape]
    left_over = [key for key in shapes if key not in expected]
    if not wrong and not left_over:
        return net
    if shapes.get("generator.conv1.activate.bias") == (net.channels[0],):
        raise MismatchError(
            f"{path.name} adds the encoder's features to the generator's; expected a network "
            "that joins them side by side, as all published GPEN weights do",
            path=path,
            keys=["generator.conv1.activate.bias"],
        )
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
    """The network that the decisive tensors speak of; the others are not looked at."""
    widths, missing = [], []
    levels = _highest(shapes, r"generator\.to_rgbs\.(\d{1,2})\.bias") + 1
    keys = [f"generator.convs.{2 * i}.conv.weight" for i in range(levels)]
    for key in ("generator.input.input", *keys):
        if len(shapes.get(key, ())) > 1:
            widths.append(shapes[key][1])
        else:
            missing.append(key)
    depth = _highest(shapes, r"ecd(\d{1,2})\.0\.[01]\.weight")
    if not 1 <= depth <= levels:
        raise MismatchError(
            f"{path.name} is no GPEN network: its encoder halves the picture {max(0, depth)} times "
            f"and its generator doubles it {levels} times; expected no more halvings than that",
            path=path,
            keys=[key for key in shapes if key.startswith(f"ecd{depth}.")],
        )
    if missing:
        raise MismatchError(
            f"{path.name} is no complete GPEN network: {missing[0]} is missing: download it again",
            path=path,
            keys=missing,
        )
    return Architecture(
        size=4 << levels,
        in_size=4 << depth,
        style_dim=shapes["final_linear.0.weight"][0],
        n_mlp=_highest(shapes, r"generator\.style\.(\d{1,2})\.weight"),
        channels=tuple(widths),
    )


def _highest(shapes: Mapping[str, Shape], pattern: str) -> int:
    """The highest number in keys of this pattern, or -1."""
    found = (re.fullmatch(pattern, key) for key in shapes)
    return max((int(match[1]) for match in found if match), default=-1)
