"""Batching: any number of crops through a graph; one engine shared by many threads."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..types import FloatArray
from .base import Engine, Graph, first_line

_log = logging.getLogger("gpen")

#: Crops that go through the network together; bounds memory, not results.
BATCH_SIZE = 4


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


@dataclass(slots=True, eq=False)
class _Request:
    """A request of one thread, and its outcome."""

    crops: FloatArray
    outcome: FloatArray | Exception | None = None


class SharedEngine:
    """An engine that many threads share; see `Engine`.

    What threads ask for while it is busy goes through the network in common batches. It never
    waits for more: a thread that is alone gets its output as from the engine itself.
    """

    def __init__(self, engine: Engine, *, batch_size: int = BATCH_SIZE) -> None:
        """Share an engine; crops of several threads go through it at most `batch_size` at once."""
        self._engine, self._batch_size = engine, batch_size
        self._waiting: deque[_Request] = deque()
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def device(self) -> str:
        return self._engine.device

    @property
    def precision(self) -> str:
        return self._engine.precision

    @property
    def size(self) -> int:
        return self._engine.size

    @property
    def in_size(self) -> int:
        return self._engine.in_size

    def run(self, crops: FloatArray) -> FloatArray:
        request = _Request(crops)
        self._waiting.append(request)
        with self._busy:  # whoever has it works for all
            while (outcome := request.outcome) is None:
                self._run_next()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _run_next(self) -> None:
        """Run the requests that have waited longest, as many as fit a batch."""
        batch = [self._waiting.popleft()]
        room = self._batch_size - len(batch[0].crops)
        while self._waiting and (room := room - len(self._waiting[0].crops)) >= 0:
            batch.append(self._waiting.popleft())
        try:
            if len(batch) == 1 or not self._run_together(batch):
                for request in batch:
                    self._run_alone(request)
        except BaseException:  # Ctrl-C: threads whose request was taken still wait for it
            self._waiting.extendleft(reversed(batch))
            raise

    def _run_together(self, batch: Sequence[_Request]) -> bool:
        """Whether all went well; one thread's bad crop must not be another's error."""
        try:
            outputs = self._engine.run(np.concatenate([request.crops for request in batch]))
        except Exception as error:
            _log.warning(
                "%d crops failed together; the %d requests go one by one: %s",
                sum(len(request.crops) for request in batch),
                len(batch),
                first_line(error),
            )
            return False
        start = 0
        for request in batch:
            request.outcome = outputs[start : start + len(request.crops)]
            start += len(request.crops)
        return True

    def _run_alone(self, request: _Request) -> None:
        try:
            request.outcome = self._engine.run(request.crops)
        except Exception as error:
            request.outcome = error
