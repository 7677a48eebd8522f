"""What sizes of image a restorer's ONNX graph takes and returns, as far as the file says."""

from __future__ import annotations

import re

from .onnx_file import OnnxFile, Value

#: Sides that face restorers have, for graphs that leave it open.
_SIDES = (128, 256, 512, 1024, 2048)
#: What most of those were trained at that leave it open.
_USUAL_SIDE = 512
#: Extra inputs that are known: CodeFormer's fidelity.
_EXTRAS = {"weight"}


def picture_sides(file: OnnxFile, name: str, *, may_enlarge: bool) -> tuple[int, int] | None:
    """The sides of the squares that a restorer's graph takes and returns; None for other graphs.

    A graph that leaves its size open is used at the size in its name, or at 512 px. An output
    that says nothing is believed to be like the input; the engine sees to it when it runs.

    Args:
        file: The graph.
        name: Of the file, without suffix.
        may_enlarge: The output may be larger than the input, which else means an upscaler.
    """
    images = [value for value in file.inputs if len(value[2]) == 4]
    extras = {value[0] for value in file.inputs if len(value[2]) != 4}
    if len(images) != 1 or not extras <= _EXTRAS or not file.outputs:
        return None
    _, channels, height, width = images[0][2]
    if channels != 3 or height != width:
        return None
    in_size = height or _side_in(name)
    size = _side_of(file.outputs[0], in_size)
    if size is None or (size != in_size and not may_enlarge):
        return None
    return in_size, size


def _side_of(output: Value, usual: int) -> int | None:
    """The side of an output that is a square image or says nothing of its shape."""
    _, dtype, shape = output
    if not shape:
        return usual if dtype in ("f32", "f16", "f64", "other") else None
    if len(shape) != 4 or shape[1] not in (3, None) or shape[2] != shape[3]:
        return None
    return shape[2] or usual


def _side_in(name: str) -> int:
    numbers = [int(digits) for digits in re.findall(r"\d+", name)]
    return next((side for side in numbers if side in _SIDES), _USUAL_SIDE)
