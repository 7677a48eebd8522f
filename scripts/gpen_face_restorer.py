"""What WebUI and Forge load where this repository is cloned into extensions."""

from __future__ import annotations

import sys
from pathlib import Path

_EXTENSION = str(Path(__file__).resolve().parents[1] / "plugins" / "a1111")
sys.path.insert(0, _EXTENSION)
try:
    from gpen_webui.start import load
finally:
    sys.path.remove(_EXTENSION)
#: WebUI looks for classes among the names of this file.
globals().update(load())
