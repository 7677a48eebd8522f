"""Upscalers, read off their tensors: RRDBNet in its three layouts, and SRVGGNetCompact.

RRDBNet: a convolution, residual-in-residual dense blocks, a convolution around them, steps of
nearest ×2 with a convolution each, two convolutions at the end; its first convolution may take
blocks of pixels as channels, which makes the factor smaller. Source: Wang et al., ESRGAN
(arXiv 1809.00219) and Real-ESRGAN (arXiv 2107.10833).

SRVGGNetCompact: a row of convolutions with PReLU, whose channels become pixels and are added to
the image enlarged by nearest neighbour. Source: Real-ESRGAN (arXiv 2107.10833), its small networks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from ..errors import MismatchError
from .tensors import Tensor

_T = TypeVar("_T")
_Shapes = Mapping[str, tuple[int, ...]]

#: Kinds of weight files that are upscalers with tensors at hand.
UPSCALER_KINDS = ("rrdb", "compact")
#: How many times larger an upscaler may make an image.
FACTORS = (1, 2, 3, 4, 8)
_CONVS_OF_A_BLOCK, _BLOCKS = 5, 3


@dataclass(frozen=True, slots=True)
class UpscalerNet:
    """The numbers of an upscaler.

    Attributes:
        family: "rrdb" or "compact".
        factor: Pixels of the output along a pixel of the input.
        width: Channels between its blocks.
        depth: RRDBs; in "compact" convolutions.
        growth: Channels that each convolution of a dense block adds; 0 in "compact".
        block: Side of the blocks of pixels that it takes as channels.
    """

    family: Literal["rrdb", "compact"]
    factor: int
    width: int
    depth: int
    growth: int = 0
    block: int = 1

    @property
    def steps(self) -> int:
        """How often an RRDBNet doubles its features."""
        return round(math.log2(self.factor * self.block))

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        family = "RRDBNet" if self.family == "rrdb" else "SRVGGNetCompact"
        return f"an upscaler ×{self.factor} ({family}, {self.depth} deep, {self.width} wide)"


def read_upscaler(kind: str, shapes: _Shapes) -> UpscalerNet:
    """Read the numbers of an upscaler off its shapes, and check that these fit together.

    Args:
        kind: One of `UPSCALER_KINDS`.
        shapes: By the names in the file.

    Raises:
        MismatchError: A tensor is missing, left over or of another shape than expected, or the
            factor is none of `FACTORS`.
    """
    plain = plain_layout(shapes)
    net = (_read_rrdb if kind == "rrdb" else _read_compact)(plain)
    if net.factor not in FACTORS:
        raise MismatchError("it enlarges by another factor than 1, 2, 3, 4 or 8")
    expected = upscaler_shapes(net)
    if odd := sorted(set(plain) ^ set(expected)):
        what = "is missing" if odd[0] in expected else "is unknown"
        raise MismatchError(f"{odd[0]} {what}, one of {len(odd)} such tensors")
    for name, shape in expected.items():
        if tuple(plain[name]) != shape:
            raise MismatchError(f"{name} is {tuple(plain[name])} where {shape} was expected")
    return net


def plain_layout(tensors: Mapping[str, _T]) -> dict[str, _T]:
    """Tensors under the names of the new layout, whichever layout they have."""
    if "model.0.weight" in tensors:
        return _renamed(tensors, _from_old(tensors))
    if "RRDB_trunk.0.RDB1.conv1.weight" in tensors:
        return _renamed(tensors, _from_middle)
    return dict(tensors)


def upscaler_shapes(net: UpscalerNet) -> dict[str, tuple[int, ...]]:
    """Every tensor of an upscaler in the new layout, in the order in which it is used."""
    if net.family == "compact":
        return _compact_shapes(net)
    width, growth = net.width, net.growth
    convs = {"conv_first": (width, 3 * net.block**2)}
    for i in range(net.depth):
        for rdb in range(1, _BLOCKS + 1):
            for conv in range(1, _CONVS_OF_A_BLOCK + 1):
                out = width if conv == _CONVS_OF_A_BLOCK else growth
                name = f"body.{i}.rdb{rdb}.conv{conv}"
                convs[name] = out, width + (conv - 1) * growth
    convs["conv_body"] = width, width
    for step in range(1, net.steps + 1):
        convs[f"conv_up{step}"] = width, width
    convs["conv_hr"], convs["conv_last"] = (width, width), (3, width)
    return _with_biases(convs)


def mixed(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Two networks of the same shapes as one, as Real-ESRGAN mixes its denoising strengths.

    Args:
        first: Tensors of one.
        second: Tensors of the other, under the same names.
        share: Of the first, from 0 to 1.
    """
    return {
        name: Tensor("f32", share * tensor.float32() + (1 - share) * second[name].float32())
        for name, tensor in first.items()
    }


def _read_rrdb(shapes: _Shapes) -> UpscalerNet:
    width, inputs = _shape(shapes, "conv_first.weight")[:2]
    growth = _shape(shapes, "body.0.rdb1.conv1.weight")[0]
    block = math.isqrt(inputs // 3)
    steps = _count(shapes, r"conv_up(\d+)\.weight", first=1)
    factor = 2**steps // block if block and 2**steps % block == 0 else 0
    depth = _count(shapes, r"body\.(\d+)\.rdb1\.conv1\.weight", first=0)
    return UpscalerNet("rrdb", factor, width, depth, growth, block)


def _read_compact(shapes: _Shapes) -> UpscalerNet:
    width = _shape(shapes, "body.0.weight")[0]
    last = max(
        int(name.split(".")[1]) for name in shapes if re.fullmatch(r"body\.\d+\.weight", name)
    )
    outputs = _shape(shapes, f"body.{last}.weight")[0]
    factor = math.isqrt(outputs // 3)
    return UpscalerNet("compact", factor if 3 * factor**2 == outputs else 0, width, last // 2)


def _shape(shapes: _Shapes, name: str) -> tuple[int, ...]:
    shape = shapes.get(name, ())
    if len(shape) != 4:
        raise MismatchError(f"{name} is {shape or 'missing'} where four axes were expected")
    return shape


def _count(shapes: _Shapes, pattern: str, *, first: int) -> int:
    numbers = {int(match[1]) for name in shapes if (match := re.fullmatch(pattern, name))}
    return max(numbers, default=first - 1) + 1 - first


def _compact_shapes(net: UpscalerNet) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(net.depth + 1):
        outputs = 3 * net.factor**2 if i == net.depth else net.width
        inputs = 3 if i == 0 else net.width
        shapes |= _with_biases({f"body.{2 * i}": (outputs, inputs)})
        if i < net.depth:
            shapes[f"body.{2 * i + 1}.weight"] = (net.width,)
    return shapes


def _with_biases(convs: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (outputs, inputs) in convs.items():
        shapes[f"{name}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"{name}.bias"] = (outputs,)
    return shapes


def _renamed(tensors: Mapping[str, _T], rename: Callable[[str], str]) -> dict[str, _T]:
    return {rename(name): tensor for name, tensor in tensors.items()}


def _from_middle(name: str) -> str:
    """Names of ESRGAN's second layout, as BSRGAN has them."""
    name = re.sub(r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2.", name)
    name = re.sub(r"^trunk_conv\.", "conv_body.", name)
    name = re.sub(r"^upconv(\d)\.", r"conv_up\1.", name)
    return re.sub(r"^HRconv\.", "conv_hr.", name)


def _from_old(tensors: Mapping[str, object]) -> Callable[[str], str]:
    """Names of ESRGAN's first layout, which counts modules: `model.3` is the first step up."""
    trunk = max(
        (int(m[1]) for name in tensors if (m := re.match(r"model\.1\.sub\.(\d+)\.weight$", name))),
        default=-1,
    )
    tail = sorted(
        int(m[1]) for name in tensors if (m := re.fullmatch(r"model\.(\d+)\.weight", name))
    )[1:]
    steps = [f"conv_up{step}" for step in range(1, len(tail) - 1)]
    ends = dict(zip(tail, [*steps, "conv_hr", "conv_last"], strict=False))

    def rename(name: str) -> str:
        name = re.sub(r"^model\.0\.", "conv_first.", name)
        name = re.sub(rf"^model\.1\.sub\.{trunk}\.(weight|bias)$", r"conv_body.\1", name)
        name = re.sub(
            r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3.", name
        )
        return re.sub(
            r"^model\.(\d+)\.", lambda m: f"{ends.get(int(m[1]), m[0].rstrip('.'))}.", name
        )

    return rename
