"""gpen in ComfyUI: load, restore, detect, crop and paste faces."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_SOURCE = str(_CHECKOUT / "src")
if _SOURCE not in sys.path:  # gpen of this very version, whatever else is installed
    sys.path.insert(0, _SOURCE)

_INSTALL = _CHECKOUT / "install.py"
if _ABSENT := runpy.run_path(str(_INSTALL))["missing"]():
    raise ImportError(
        f"GPEN needs {', '.join(_ABSENT)}: run `{sys.executable} {_INSTALL}`, then start ComfyUI"
    )

from .example import place_photo  # noqa: E402
from .nodes import NODES  # noqa: E402
from .upscaling import register_with_spandrel  # noqa: E402
from .weight_files import register_folders  # noqa: E402

register_folders()
register_with_spandrel()
place_photo(_CHECKOUT / "examples" / "demo.jpg")

NODE_CLASS_MAPPINGS = {node.__name__: node for node in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.__name__: node.TITLE for node in NODES}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
