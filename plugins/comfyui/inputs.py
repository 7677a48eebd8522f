"""Which of gpen's options each node asks for, in which order; all else follows from gpen's table.

A new field of `gpen.Settings` becomes the last input of Load GPEN Model or Restore Faces, unless
its `Option` says why not. Orders are kept: saved workflows hold values by their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gpen
from gpen.options import Option, missing_at, options_of
from gpen.settings import NETWORKS

from . import weight_files

LOAD, RESTORE, CROP, PASTE = "load", "restore", "crop", "paste"
#: The options of each node; those that no node names come after them.
_ORDER: dict[str, tuple[str, ...]] = {
    LOAD: (
        *("model", "detector", "engine", "device", "precision", "embedding"),
        *("background", "background_denoise"),
    ),
    RESTORE: (
        *("blend", "upscale", "faces", "min_face", "mask", "match_color", "face_blend"),
        *("match_grain", "restore_color", "keep", "occlusion", "aligned", "fusion"),
    ),
    CROP: ("faces", "min_face"),
    PASTE: ("blend", "mask", "match_color"),
}
_NAMES = {
    "model": weight_files.restorers,
    "detector": weight_files.detectors,
    "background": weight_files.upscalers,
}
_KINDS = {"boolean": "BOOLEAN", "integer": "INT", "number": "FLOAT"}
#: Largest number where gpen has no limit; ComfyUI needs one.
_LARGEST = 8192


@dataclass(frozen=True)
class Input:
    """How a node asks for one option."""

    option: Option

    def declared(self, name: str) -> tuple[Any, dict[str, Any]]:
        """The pair that ComfyUI wants in `INPUT_TYPES`: a type or a list of values, and details."""
        option = self.option
        kind: Any = _KINDS.get(option.kind, "STRING")
        details: dict[str, Any] = {"default": option.default, "tooltip": option.help_at("comfyui")}
        if name in _NAMES:
            kind = _NAMES[name]()
        elif option.kind == "choice":
            kind = list(option.choices)
        elif kind in ("INT", "FLOAT"):
            to = option.type
            limits = {"min": option.minimum, "max": option.maximum or _LARGEST, "step": option.step}
            details |= {end: to(limit) for end, limit in limits.items() if limit is not None}
        return kind, details


#: Options that mean nothing here, and why.
NOT_APPLICABLE = missing_at("comfyui", gpen.Settings)
INPUTS = {
    name: Input(option)
    for name, option in options_of(gpen.Settings).items()
    if name not in NOT_APPLICABLE
}


def of(node: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The inputs of one node, declared."""
    placed = {name for order in _ORDER.values() for name in order}
    new = [name for name in INPUTS if name not in placed]
    names = [*_ORDER[node], *(name for name in new if node == _node_of(INPUTS[name].option))]
    return {name: INPUTS[name].declared(name) for name in names}


def _node_of(option: Option) -> str:
    """The node that a new option goes to."""
    return LOAD if option.group == NETWORKS else RESTORE
