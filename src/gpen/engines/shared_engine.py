"""The engine that callers get: for many threads, and short of memory slower instead of failing."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import EngineError
from ..types import FloatArray
from .base import Engine, first_line
from .out_of_memory import is_cpu, none_if_out_of_memory

_log = logging.getLogger("gpen")

#: Crops of several threads that go through the network together; bounds memory, not results.
BATCH_SIZE = 4


@dataclass(slots=True, eq=False)
class _Request:
    """What one thread asks for, and its outcome."""

    crops: FloatArray
    outcome: FloatArray | Exception | None = None


class SharedEngine:
    """An engine for many threads that falls back to smaller batches and the CPU; see `Engine`.

    What threads ask for while it is busy goes through the network in common batches. It never
    waits for more: a thread that is alone gets its output as from the engine itself.

    Attributes:
        size: Side of the square it returns, in pixels.
        in_size: Side of the square it takes.
    """

    def __init__(
        self,
        engine: Engine,
        open_on_cpu: Callable[[], Engine] | None = None,
        *,
        batch_size: int = BATCH_SIZE,
        unit: str = "face",
    ) -> None:
        """Share an engine.

        Args:
            engine: Runs the network as long as its memory is enough.
            open_on_cpu: Opens the same network on the CPU, for when it is not.
            batch_size: Crops of several threads that go through it at once, at most.
            unit: What a crop shows, for messages.
        """
        self.size, self.in_size = engine.size, engine.in_size
        self._engine, self._used, self._open_on_cpu = engine, engine, open_on_cpu
        self._cpu: Engine | None = None
        self._most: int | None = None  # crops per run that were not too many
        self._batch_size, self._unit = batch_size, unit
        self._waiting: deque[_Request] = deque()
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        """The library that ran the network last."""
        return self._used.name

    @property
    def device(self) -> str:
        """Where the network ran last, in the library's own words."""
        return self._used.device

    @property
    def precision(self) -> str:
        """Arithmetic in which the network ran last."""
        return self._used.precision

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`.

        Raises:
            EngineError: The shape does not fit, the library failed, or even the CPU has too little
                memory for one crop.
        """
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
        room, shape = self._batch_size - len(batch[0].crops), batch[0].crops.shape[1:]
        while (
            self._waiting
            and self._waiting[0].crops.shape[1:] == shape
            and (room := room - len(self._waiting[0].crops)) >= 0
        ):
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
            outputs = self._run_all(np.concatenate([request.crops for request in batch]))
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
            request.outcome = self._run_all(request.crops)
        except Exception as error:
            request.outcome = error

    def _run_all(self, crops: FloatArray) -> FloatArray:
        """Run crops, fewer at once where they are too many."""
        outputs: list[FloatArray] = []
        start = 0
        while start < len(crops) or not outputs:
            batch = crops[start : start + (self._most or max(1, len(crops)))]
            output = self._run_on(self._engine, batch)
            if output is None and len(batch) > 1:
                self._most = len(batch) // 2
                _log.info(
                    "%s: %d %ss at once are too many", self._engine.device, len(batch), self._unit
                )
                continue
            outputs.append(self._run_on_cpu(batch) if output is None else output)
            start += len(batch)
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def _run_on(self, engine: Engine, crops: FloatArray) -> FloatArray | None:
        """The output, or None where there is too little memory."""
        output = none_if_out_of_memory(lambda: engine.run(crops))
        if output is not None:
            self._used = engine
        return output

    def _run_on_cpu(self, crops: FloatArray) -> FloatArray:
        if self._open_on_cpu is not None and not is_cpu(self._engine.device):
            if self._cpu is None:
                _log.warning(
                    "%s has too little memory for one %s of %d px: the CPU takes over",
                    self._engine.device,
                    self._unit,
                    self.size,
                )
                self._cpu = none_if_out_of_memory(self._open_on_cpu)
            output = self._run_on(self._cpu, crops) if self._cpu is not None else None
            if output is not None:
                return output
        raise EngineError(
            f"too little memory for one {self._unit} of {self.size} px: close other programs, use "
            "fewer --jobs, or choose a model of a smaller size",
            engine=self._engine.name,
        )


def open_shared(
    open_: Callable[[], Engine],
    open_on_cpu: Callable[[], Engine],
    *,
    name: str,
    device: str,
    unit: str = "face",
) -> SharedEngine:
    """Open a network where it was asked for, or on the CPU where that device is full.

    Args:
        open_: Opens it.
        open_on_cpu: Opens it on the CPU.
        name: Engine that `open_` opens, for messages.
        device: Where it opens it, as it was asked for.
        unit: What a crop shows, for messages.

    Raises:
        EngineError: Even the CPU has too little memory for it, or something else failed.
    """
    engine = none_if_out_of_memory(open_)
    if engine is None and not is_cpu(device):
        _log.warning("device %s has too little memory for the network: the CPU takes over", device)
        engine = none_if_out_of_memory(open_on_cpu)
    if engine is None:
        raise EngineError(
            "too little memory for the network: close other programs, or choose a smaller model",
            engine=name,
        )
    return SharedEngine(engine, open_on_cpu, unit=unit)
