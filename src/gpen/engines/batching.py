"""Batching: any number of crops through a graph."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from ..errors import EngineError
from ..types import FloatArray
from .base import Graph
from .out_of_memory import is_out_of_memory

_log = logging.getLogger("gpen")


class TogetherOrSingly:
    """Runs images of one call together, or one by one where a graph was made for one."""

    def __init__(
        self, run: Callable[[FloatArray], FloatArray], *, together: bool, name: str
    ) -> None:
        """Take what runs images.

        Args:
            run: (N, …) to (N, …).
            together: It says of itself that N may be more than 1.
            name: Of the engine, for the log.
        """
        self._run, self._together, self._name = run, together, name

    def __call__(self, images: FloatArray) -> FloatArray:
        """The outputs of N images, N ≥ 1."""
        if self._together and len(images) > 1:
            outputs = self._of_one_run(images)
            if outputs is not None:
                return outputs
            self._together = False
            _log.info("%s takes one image at a time, whatever it says of itself", self._name)
        singly = [self._run(images[i : i + 1]) for i in range(len(images))]
        return np.concatenate(singly) if len(singly) > 1 else singly[0]

    def _of_one_run(self, images: FloatArray) -> FloatArray | None:
        """The outputs of one run, or None where the graph was made for one image after all."""
        try:
            outputs = self._run(images)
        except EngineError as error:
            if is_out_of_memory(error):
                raise
            return None
        return outputs if len(outputs) == len(images) else None


def run_in_batches(graph: Graph, crops: FloatArray, *, most: int = 32) -> FloatArray:
    """Run a graph of one input and one output on any number of crops.

    Batches hold 1, 2, 4, … crops, filled up with copies of the first, so that the engine meets few
    different shapes. A graph whose batch is fixed gets batches of that size.

    Args:
        graph: The graph.
        crops: (N, …), N ≥ 1.
        most: Crops in a batch, a power of 2.

    Returns:
        (N, …), the outputs.

    Raises:
        EngineError: The shapes do not fit, or the library failed.
    """
    fixed = graph.inputs[0][1][0]
    outputs = []
    for start in range(0, len(crops), fixed or most):
        batch = crops[start : start + (fixed or most)]
        count = fixed or 1 << (len(batch) - 1).bit_length()
        filled = np.concatenate([batch, *[batch[:1]] * (count - len(batch))])
        outputs.append(graph.run(filled)[0][: len(batch)])
    return np.concatenate(outputs)
