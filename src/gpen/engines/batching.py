"""Batching: any number of crops through a graph."""

from __future__ import annotations

import numpy as np

from ..types import FloatArray
from .base import Graph


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
