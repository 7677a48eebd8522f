"""What ComfyUI loads where this repository is cloned into custom_nodes.

Where Python is started beside a clone, `import gpen` finds this file before the package: it gives
way to it.
"""

import importlib.util
import sys
from pathlib import Path

if __name__ == "gpen":
    _package = Path(__file__).resolve().parent / "src" / "gpen" / "__init__.py"
    _spec = importlib.util.spec_from_file_location("gpen", _package)
    sys.modules["gpen"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["gpen"])
elif "folder_paths" in sys.modules:  # ComfyUI's; pytest imports this file too
    from .plugins.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
