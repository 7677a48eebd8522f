"""Upscalers among the ONNX graphs of other tools, as far as their ports and names tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .kinds import Kind
from .onnx_file import OnnxFile
from .upscaler_tensors import FACTORS, UPSCALER_KINDS

#: What names of upscalers say: x4, 4x, ESRGAN.
_NAMED = re.compile(r"(?<![a-z0-9])(x[1-8]|[1-8]x)|esr(gan|net)|upscal|super.?res", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UpscalerPorts:
    """What a graph from image to image says of its sizes.

    Attributes:
        is_upscaler: It is one, by its shapes, its tensors or its name; else it may be one.
        factor: How many times it enlarges; None where only running it will tell.
    """

    is_upscaler: bool
    factor: float | None = None

    @property
    def is_possible(self) -> bool:
        """Whether gpen can use that factor."""
        return self.factor is None or self.factor in FACTORS


def upscaler_ports(file: OnnxFile, name: str, kind: Kind | None) -> UpscalerPorts | None:
    """What a graph says of itself as an upscaler; None where it is none.

    Args:
        file: The graph.
        name: Of the file, without suffix.
        kind: The family that its tensors belong to, where they still have their names.
    """
    if len(file.inputs) != 1 or len(file.outputs) != 1:
        return None
    taken, given = file.inputs[0][2], file.outputs[0][2]
    if (
        len(taken) != 4
        or taken[1] != 3
        or (given and (len(given) != 4 or given[1] not in (3, None)))
    ):
        return None
    (height, width), (high, wide) = taken[2:], given[2:] or (None, None)
    named = (kind is not None and kind.id in UPSCALER_KINDS) or bool(_NAMED.search(name))
    if height is None or width is None:
        return UpscalerPorts(named)
    if high is None or wide is None:
        return UpscalerPorts(named) if named else None
    factor = high / height
    if wide / width != factor or (factor == 1 and not named):
        return None
    return UpscalerPorts(True, factor)
