"""What happens when WebUI loads the extension, at its start and at every reload."""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parents[3]
_SOURCE = str(_CHECKOUT / "src")


def load() -> dict[str, Any]:
    """Register GPEN.

    Returns:
        The script classes, by names; none where gpen cannot be loaded, which is told in one line.
    """
    if _SOURCE not in sys.path:  # gpen of this very version, whatever else is installed
        sys.path.insert(0, _SOURCE)
    if absent := runpy.run_path(str(_CHECKOUT / "install.py"))["missing"]():
        return _nothing(f"it needs {', '.join(absent)}, which install.py could not add")
    try:
        extras, generation, models, restorer = (
            import_module(f"{__package__}.{name}")
            for name in ("extras", "generation", "models", "restorer")
        )
    except ImportError as error:
        return _nothing(error)
    models.make_findable()
    restorer.register()
    return {
        "GpenPostprocessing": extras.GpenPostprocessing,
        "GpenScript": generation.GpenScript,
    }


def _nothing(why: object) -> dict[str, Any]:
    print(f"GPEN is absent: {why}: see docs/webui.md of gpen", file=sys.stderr)
    return {}
