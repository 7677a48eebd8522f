"""gpen in ComfyUI: load, restore, detect, crop and paste faces."""

from __future__ import annotations

from .nodes import NODES
from .weight_files import register_folders

register_folders()

NODE_CLASS_MAPPINGS = {node.__name__: node for node in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.__name__: node.TITLE for node in NODES}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
