"""Handles running out of memory: smaller batches, then the CPU, then an error.

The libraries have no common exception for it, some not even one of their own, so that their words
decide where their types do not.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable

import numpy as np

from ..errors import EngineError
from ..types import FloatArray
from .base import Engine

_log = logging.getLogger("gpen")

_WORDS = re.compile(
    # torch on CUDA, MPS and the CPU; ONNX Runtime on CUDA
    r"out of memory|not enough memory|can't allocate memory|Unable to allocate"
    # ONNX Runtime: its arena, and the C++ library under every engine
    r"|Failed to allocate memory|bad[_ ]alloc"
    # cuBLAS and cuDNN; OpenCL under OpenVINO's GPU plugin; oneDNN
    r"|_ALLOC_FAILED|CL_OUT_OF_\w+|CL_MEM_OBJECT_ALLOCATION_FAILURE"
    r"|[Ee]xceeded max size of memory|could not (create|allocate) a? ?memory",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if isinstance(error, Exception) and _WORDS.search(str(error)):
            return True
        error = error.__cause__
    return False


class FallbackEngine:
    """An engine that falls back to smaller batches and the CPU; see `Engine`."""

    def __init__(self, engine: Engine, open_on_cpu: Callable[[], Engine]) -> None:
        """Wrap an engine.

        Args:
            engine: Runs the network as long as its memory is enough.
            open_on_cpu: Opens the same network on the CPU.
        """
        self.name, self.device, self.precision = engine.name, engine.device, engine.precision
        self.size, self.in_size = engine.size, engine.in_size
        self._engine, self._open_on_cpu = engine, open_on_cpu
        self._most: int | None = None  # crops per run that were not too many
        self._cpu: Engine | None = None
        self._lock = threading.Lock()

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`.

        Raises:
            EngineError: The shape does not fit, the library failed, or even the CPU has too little
                memory for one crop.
        """
        outputs: list[FloatArray] = []
        start = 0
        while start < len(crops) or not outputs:
            batch = crops[start : start + (self._most or max(1, len(crops)))]
            output = _run_if_enough(self._engine, batch)
            if output is None and len(batch) > 1:
                self._most = len(batch) // 2
                _log.info("%s: %d faces at once are too many", self.device, len(batch))
                continue
            outputs.append(self._run_on_cpu(batch) if output is None else output)
            start += len(batch)
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def _run_on_cpu(self, crops: FloatArray) -> FloatArray:
        if not is_cpu(self.device):
            with self._lock:
                if self._cpu is None:
                    _log.warning(
                        "%s has too little memory for one face of %d px: the CPU takes over",
                        self.device,
                        self.size,
                    )
                    self._cpu = _open_if_enough(self._open_on_cpu)
            output = _run_if_enough(self._cpu, crops) if self._cpu is not None else None
            if output is not None:
                return output
        raise EngineError(
            f"too little memory for one face of {self.size} px: close other programs, use fewer "
            "--jobs, or choose a model of a smaller size",
            engine=self.name,
        )


def open_with_fallback(
    open_: Callable[[], Engine], open_on_cpu: Callable[[], Engine], *, name: str, device: str
) -> Engine:
    """Open a network where it was asked for, or on the CPU where that device is full.

    Args:
        open_: Opens it.
        open_on_cpu: Opens it on the CPU.
        name: Engine that `open_` opens, for messages.
        device: Where it opens it, as it was asked for.

    Raises:
        EngineError: Even the CPU has too little memory for it, or something else failed.
    """
    engine = _open_if_enough(open_)
    if engine is None and not is_cpu(device):
        _log.warning("device %s has too little memory for the network: the CPU takes over", device)
        engine = _open_if_enough(open_on_cpu)
    if engine is None:
        raise EngineError(
            "too little memory for the network: close other programs, or choose a smaller model",
            engine=name,
        )
    return FallbackEngine(engine, open_on_cpu)


def is_cpu(device: str) -> bool:
    """Whether a device is the CPU, in the words of any engine."""
    return device.lower().startswith("cpu")


# Both return None instead of raising, so that when they are called again with less, no traceback
# holds the arrays of the first try.


def _run_if_enough(engine: Engine, crops: FloatArray) -> FloatArray | None:
    try:
        return engine.run(crops)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None


def _open_if_enough(open_: Callable[[], Engine]) -> Engine | None:
    try:
        return open_()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None
