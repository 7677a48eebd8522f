"""Imports PyAV, or says how to install it."""

from __future__ import annotations

import os

from ...errors import MissingExtraError

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings without it

try:
    import av
except ImportError:
    raise MissingExtraError("Video", extra="video") from None

__all__ = ["av"]
