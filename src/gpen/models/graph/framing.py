"""A network behind crops of another size and face template than it was trained on.

Programs cut faces their own way. Around the network the graph cuts the network's crop out of
theirs, and adds what the network changed: detail finer than the network's crop stays as it came.
Both ways are linear along each axis, so a matrix for rows and one for columns do either, in every
runtime alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...face_templates import template_points
from ...types import Float64Array
from ..tensors import Tensor
from .builder import Graph

#: The bicubic kernel of Keys, IEEE ASSP 1981.
_SHARPNESS = -0.5


@dataclass(frozen=True, slots=True)
class Framing:
    """How a program cuts faces.

    Attributes:
        size: Side of its crops in pixels.
        template: Where the five points are in them: a name in `gpen.face_templates.TEMPLATES`.
    """

    size: int
    template: str

    def wrap(
        self,
        graph: Graph,
        run: Callable[[str, str], None],
        size: int,
        template: str,
        *,
        source: str,
        out: str,
    ) -> None:
        """Add a network to a graph, in this framing.

        Args:
            graph: The graph.
            run: Adds the network, from the name of its input to that of its output.
            size: Side of the image that the network takes and returns.
            template: The one that it was trained on.
            source: Name of the program's crop.
            out: Name of the result, like it.
        """
        scale, shifts = self._way_to(template, size)
        ours, theirs = size, self.size
        cut = [_resampling(theirs, ours, scale, shift) for shift in shifts]
        back = [_resampling(ours, theirs, 1 / scale, -shift / scale) for shift in shifts]
        crop = _along_both(graph, source, cut, "cut")
        run(crop, "/framing/answer")
        change = graph.add("Sub", "/framing/answer", crop)
        graph.add("Add", source, _along_both(graph, change, back, "back"), out=out)

    def _way_to(self, template: str, size: int) -> tuple[float, tuple[float, float]]:
        """Scale, and shifts along x and y, that bring points of these crops closest to others."""
        here, there = template_points(self.template, self.size), template_points(template, size)
        centred = here - here.mean(axis=0)
        scale = float((centred * there).sum() / (centred**2).sum())
        x, y = (there.mean(axis=0) - scale * here.mean(axis=0)).tolist()
        return scale, (x, y)


def _along_both(graph: Graph, image: str, matrices: list[Float64Array], name: str) -> str:
    """An image (1, 3, H, W) resampled by one matrix along x, another along y."""
    columns, rows = f"/framing/{name}/columns", f"/framing/{name}/rows"
    graph.stored[columns] = Tensor("f32", matrices[0].T.astype(np.float32))
    graph.stored[rows] = Tensor("f32", matrices[1].astype(np.float32))
    return graph.add("MatMul", rows, graph.add("MatMul", image, columns))


def _resampling(n_source: int, n_target: int, scale: float, shift: float) -> Float64Array:
    """The matrix (n_target, n_source) that resamples a row of pixels, mirrored at its ends.

    Target pixel t shows source pixel (t - shift) / scale; a kernel wider than a source pixel
    averages where the row shrinks.
    """
    width = max(1.0, 1 / scale)
    matrix = np.zeros((n_target, n_source))
    for target in range(n_target):
        middle = (target - shift) / scale
        sources = np.arange(int(np.floor(middle - 2 * width)), int(np.ceil(middle + 2 * width)) + 1)
        weights = _bicubic(np.abs(sources - middle) / width)
        mirrored = np.abs(sources) % (2 * n_source - 2)
        mirrored = np.minimum(mirrored, 2 * n_source - 2 - mirrored)
        np.add.at(matrix[target], mirrored, weights / weights.sum())
    return matrix


def _bicubic(distance: Float64Array) -> Float64Array:
    near = ((_SHARPNESS + 2) * distance - (_SHARPNESS + 3)) * distance**2 + 1
    far = _SHARPNESS * (((distance - 5) * distance + 8) * distance - 4)
    weights: Float64Array = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return weights
