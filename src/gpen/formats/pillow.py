"""Pillow without its process-wide manners."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

import PIL.Image

_lock = threading.RLock()


@contextlib.contextmanager
def pillow_at_ease() -> Iterator[None]:
    """Lift Pillow's own size limit and keep its warnings on slightly odd files to itself.

    Both are state of the process, so that one thread at a time may do this: keep it short.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = limit
