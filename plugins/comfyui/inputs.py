"""The one table of what the nodes show of gpen's settings, and where.

A new field of `gpen.Settings` gets a row in `INPUTS` or a reason in `NOT_APPLICABLE`; the nodes
follow from the table. New rows go to the end of their node: saved workflows count widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gpen

from . import weight_files

LOAD, RESTORE, CROP, PASTE = "load", "restore", "crop", "paste"


@dataclass(frozen=True)
class Input:
    """How a node asks for one setting.

    Attributes:
        nodes: The nodes that do.
        kind: ComfyUI's name of a type, a list of values to choose from, or what gives one.
        tooltip: What the user reads.
        limits: Limits of a number.
    """

    nodes: tuple[str, ...]
    kind: str | list[Any] | Callable[[], list[str]]
    tooltip: str
    limits: dict[str, float] = field(default_factory=dict)

    def declared(self, name: str) -> tuple[Any, dict[str, Any]]:
        """The pair that ComfyUI wants in `INPUT_TYPES`."""
        kind = self.kind() if callable(self.kind) else self.kind
        default = getattr(gpen.Settings(), name)
        return kind, {"default": default, "tooltip": self.tooltip, **self.limits}


INPUTS: dict[str, Input] = {
    "model": Input((LOAD,), weight_files.restorers, "A weight file; the first comes with gpen."),
    "detector": Input((LOAD,), weight_files.detectors, "Finds faces; the first comes with gpen."),
    "engine": Input(
        (LOAD,),
        ["auto", "openvino", "onnxruntime", "torch"],
        "What runs the network.",
    ),
    "device": Input(
        (LOAD,),
        "STRING",
        "auto, cpu, cuda, cuda:1, mps; auto is the CPU where ComfyUI runs on the CPU.",
    ),
    "precision": Input((LOAD,), ["auto", "f32", "bf16", "f16"], "Arithmetic of the network."),
    "embedding": Input(
        (LOAD,),
        "STRING",
        "Tells people apart for faces like:PHOTO: this one, which comes with gpen, or a file.",
    ),
    "blend": Input(
        (RESTORE, PASTE),
        "FLOAT",
        "0 keeps the face, 1 takes the restored one.",
        {"min": 0.0, "max": 1.0, "step": 0.05},
    ),
    "upscale": Input((RESTORE,), [1, 2, 4], "Enlarge the image; faces gain real detail."),
    "faces": Input(
        (RESTORE, CROP),
        "STRING",
        "all, largest, left, right, center, or numbers such as 0,2 in the order found; in Restore "
        "Faces also like:PHOTO, a file with the person.",
    ),
    "min_face": Input(
        (RESTORE, CROP),
        "FLOAT",
        "Leave faces alone that are smaller than this many pixels.",
        {"min": 0.0, "max": 8192.0, "step": 1.0},
    ),
    "mask": Input((RESTORE, PASTE), ["head", "face", "box"], "Shape pasted back."),
    "match_color": Input((RESTORE, PASTE), "BOOLEAN", "Keep the colours of the face."),
    "face_blend": Input((RESTORE,), "STRING", "Strength of single faces, such as 0=0.5,2=1."),
    "match_grain": Input((RESTORE,), "BOOLEAN", "Keep the grain of the image."),
    "restore_color": Input((RESTORE,), "BOOLEAN", "Let the network colour grey faces."),
    "keep": Input(
        (RESTORE,), "STRING", "Leave as they are: eyes, mouth, glasses, or some: eyes,mouth."
    ),
    "occlusion": Input((RESTORE,), "BOOLEAN", "Leave hands and things in front of faces alone."),
    "aligned": Input((RESTORE,), "BOOLEAN", "The images are face crops."),
    # New ones go last: saved workflows hold values by their place.
    "fusion": Input((RESTORE,), "BOOLEAN", "Keep the detail that is still good; restore the rest."),
}

NOT_APPLICABLE: dict[str, str] = {
    "models_dir": "ComfyUI's own folders are searched, with those of extra_model_paths.yaml",
    "max_pixels": "ComfyUI has opened the image already",
    "format": "ComfyUI's own nodes save images",
    "quality": "ComfyUI's own nodes save images",
    "strip": "ComfyUI's own nodes save images",
}


def of(node: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The inputs of one node, declared."""
    return {name: row.declared(name) for name, row in INPUTS.items() if node in row.nodes}
