"""Crops → crops: pixels into the network's numbers and back, for many threads at once.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    network  float32 RGB, (N, 3, size, size), in [-1, 1]
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from .engines import Engine
from .engines.base import first_line
from .errors import EngineError
from .geometry import resize
from .types import FloatArray, Pixels

_log = logging.getLogger("gpen")

#: Crops that go through the network together; bounds memory, not results.
BATCH_SIZE = 4


def restore_crops(
    crops: Sequence[Pixels], engine: Engine, *, batch_size: int = BATCH_SIZE
) -> list[Pixels]:
    """Restore face crops.

    Args:
        crops: Crops at the size that the network returns; 8 and 16 bit may be mixed.
        engine: The network. One that takes smaller pictures than it returns is fed shrunk crops.
        batch_size: Crops that go through the network together.

    Returns:
        For each crop the network's answer, of the same dtype and size, clipped and rounded.

    Raises:
        EngineError: A crop has another size, or the engine failed.
    """
    restored: list[Pixels] = []
    for start in range(0, len(crops), batch_size):
        batch = crops[start : start + batch_size]
        answers = engine.run(_to_network(batch, engine))
        if not np.isfinite(answers).all():
            raise EngineError(
                f"the network returned values that are no numbers in {engine.precision}: "
                "choose --precision f32",
                engine=engine.name,
            )
        restored += [
            _to_pixels(answer, like=crop) for answer, crop in zip(answers, batch, strict=True)
        ]
    return restored


def _to_network(crops: Sequence[Pixels], engine: Engine) -> FloatArray:
    """(N, 3, in_size, in_size) in [-1, 1]."""
    planes = np.empty((len(crops), 3, engine.in_size, engine.in_size), np.float32)
    for crop, into in zip(crops, planes, strict=True):
        pixels = _fitting(crop, engine)
        half_range = np.float32(np.iinfo(crop.dtype).max / 2)
        np.divide(pixels.transpose(2, 0, 1), half_range, out=into)
        np.subtract(into, 1, out=into)
    return planes


def _fitting(crop: Pixels, engine: Engine) -> Pixels:
    """A crop at the size that the network takes."""
    if crop.shape != (engine.size, engine.size, 3):
        raise EngineError(
            f"a crop has shape {crop.shape}; expected ({engine.size}, {engine.size}, 3): "
            "align faces at the size of the network",
            engine=engine.name,
        )
    if engine.in_size == engine.size:
        return crop
    return resize(crop, (engine.in_size, engine.in_size))


def _to_pixels(answer: FloatArray, *, like: Pixels) -> Pixels:
    """(size, size, 3) in the dtype of another crop."""
    import cv2

    half = np.iinfo(like.dtype).max / 2
    depth = cv2.CV_8U if like.dtype == np.uint8 else cv2.CV_16U
    # In one pass OpenCV scales, shifts, rounds and clips.
    planes = [cv2.addWeighted(plane, half, plane, 0, half, dtype=depth) for plane in answer]
    return cast("Pixels", cv2.merge(planes))


@dataclass(slots=True, eq=False)
class _Request:
    """What one thread wants of the network, and what became of it."""

    crops: FloatArray
    outcome: FloatArray | Exception | None = None


class SharedEngine:
    """An engine that many threads share; see `Engine`.

    What threads ask for while it is busy goes through the network in common batches. It never
    waits for more: a thread that is alone gets its answer as from the engine itself.
    """

    def __init__(self, engine: Engine, *, batch_size: int = BATCH_SIZE) -> None:
        """Share an engine; crops of several threads go through it at most `batch_size` at once."""
        self._engine, self._batch_size = engine, batch_size
        self._waiting: deque[_Request] = deque()
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        """The library that runs it."""
        return self._engine.name

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._engine.device

    @property
    def precision(self) -> str:
        """Arithmetic used."""
        return self._engine.precision

    @property
    def size(self) -> int:
        """Side of the square it returns."""
        return self._engine.size

    @property
    def in_size(self) -> int:
        """Side of the square it takes."""
        return self._engine.in_size

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`."""
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
            answers = self._engine.run(np.concatenate([request.crops for request in batch]))
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
            request.outcome = answers[start : start + len(request.crops)]
            start += len(request.crops)
        return True

    def _run_alone(self, request: _Request) -> None:
        try:
            request.outcome = self._engine.run(request.crops)
        except Exception as error:
            request.outcome = error
