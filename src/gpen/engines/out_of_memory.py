"""Tells running out of memory from other errors.

The libraries have no common exception for it, some not even one of their own, so that their words
decide where their types do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

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


def none_if_out_of_memory(work: Callable[[], _T]) -> _T | None:
    """What `work` returns, or None where memory ran out.

    It returns instead of raising, so that when the work is done again with less, no traceback holds
    the arrays of the first try.
    """
    try:
        return work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None


def is_cpu(device: str) -> bool:
    """Whether a device is the CPU, in the words of any engine."""
    return device.lower().startswith("cpu")
