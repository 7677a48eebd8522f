"""GPEN files in ComfyUI's own loader of upscale models, which opens them by spandrel."""

from __future__ import annotations

import logging
from importlib import import_module

_log = logging.getLogger("gpen.comfyui")


def register_with_spandrel() -> None:
    """Have spandrel recognise GPEN files; the nodes here do without it."""
    try:
        import_module("gpen.integrations.spandrel").install()
    except Exception as error:  # whatever another version of spandrel may raise
        _log.warning("GPEN: Load Upscale Model will not open GPEN files: %s", error)
