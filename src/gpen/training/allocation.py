"""Keeps freed memory in the process, for the next step to reuse.

On a CPU torch leaves memory to the C library. glibc gives large blocks back to the system as soon
as they are free, and the system maps and clears them anew at every step.
"""

from __future__ import annotations

import ctypes
import sys

# Of malloc.h: blocks mapped by themselves; free memory at the end of the heap that is given back (a
# negative size is the largest one: never); what is taken beyond the need when the heap grows.
_OPTIONS = {"M_MMAP_MAX": (-4, 0), "M_TRIM_THRESHOLD": (-1, -1), "M_TOP_PAD": (-2, 256 << 20)}


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for later allocations, in the whole process.

    Returns:
        Whether it does so; False with other C libraries.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return all(libc.mallopt(option, value) == 1 for option, value in _OPTIONS.values())
