"""What ComfyUI loads where this repository is cloned into custom_nodes; empty for all others."""

import sys

if "folder_paths" in sys.modules:  # ComfyUI's; pytest imports this file too
    from .plugins.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
