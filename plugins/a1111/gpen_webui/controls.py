"""The one table of what WebUI shows of gpen's settings, and where.

A new field of `gpen.Settings` gets a row in `CONTROLS` or a reason in `NOT_APPLICABLE`; pages,
restorer and Extras follow from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gpen

from . import models

#: The Settings page, which also is what the face restorer uses.
PAGE = "page"
#: The Extras tab.
EXTRAS = "extras"


@dataclass(frozen=True)
class Control:
    """How one setting is shown.

    Attributes:
        label: The words beside it.
        component: Name of a Gradio component.
        places: Where it is shown.
        arguments: Arguments of the component.
        choices: Names to choose from, looked up when the page is built.
    """

    label: str
    component: str
    places: tuple[str, ...] = (PAGE, EXTRAS)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    choices: Callable[[], list[str]] | None = None

    def options(self) -> dict[str, Any]:
        """Arguments of the component as of now."""
        found = {"choices": self.choices()} if self.choices else {}
        return {**self.arguments, **found}


def _range(low: float, high: float, step: float) -> dict[str, float]:
    return {"minimum": low, "maximum": high, "step": step}


CONTROLS: dict[str, Control] = {
    "model": Control("Model", "Dropdown", choices=models.restorers),
    "fusion": Control("Keep detail that can be trusted, restore the rest", "Checkbox"),
    "blend": Control("Strength (visibility)", "Slider", arguments=_range(0, 1, 0.05)),
    "upscale": Control(
        "Enlarge the image by", "Radio", (EXTRAS,), arguments={"choices": [1, 2, 4]}
    ),
    "faces": Control("Faces: all, largest, left, right, center, or numbers such as 0,2", "Textbox"),
    "face_blend": Control("Strength of single faces, such as 0=0.5,2=1", "Textbox", (EXTRAS,)),
    "min_face": Control(
        "Leave faces alone that are smaller than (pixels)",
        "Slider",
        arguments=_range(0, 512, 1),
    ),
    "mask": Control("Mask", "Radio", arguments={"choices": ["head", "face", "box"]}),
    "match_color": Control("Keep the colours of the face", "Checkbox"),
    "match_grain": Control("Keep the grain of the image", "Checkbox"),
    "restore_color": Control("Let the network colour grey faces", "Checkbox"),
    "keep": Control(
        "Leave as they are",
        "CheckboxGroup",
        arguments={"choices": ["eyes", "mouth", "glasses"]},
    ),
    "occlusion": Control("Leave hands, hair and things in front of faces alone", "Checkbox"),
    "aligned": Control("The images are face crops", "Checkbox", (EXTRAS,)),
    "detector": Control("Face detector", "Dropdown", (PAGE,), choices=models.detectors),
    "embedding": Control("What tells people apart", "Dropdown", (PAGE,), choices=models.embeddings),
    "engine": Control(
        "Engine",
        "Radio",
        (PAGE,),
        arguments={"choices": ["auto", "openvino", "onnxruntime", "torch"]},
    ),
    "device": Control("Device: auto, cpu, cuda, cuda:1, mps", "Textbox", (PAGE,)),
    "precision": Control(
        "Arithmetic", "Radio", (PAGE,), arguments={"choices": ["auto", "f32", "bf16", "f16"]}
    ),
}

NOT_APPLICABLE: dict[str, str] = {
    "models_dir": "models/GPEN of WebUI is looked in first",
    "max_pixels": "WebUI has opened the image already",
    "format": "WebUI writes the file, in the format of its own settings",
    "quality": "WebUI writes the file, in the quality of its own settings",
    "strip": "WebUI writes the file, with its own metadata",
}


def at(place: str) -> dict[str, Control]:
    """The rows of one place."""
    return {name: control for name, control in CONTROLS.items() if place in control.places}


def default(name: str) -> Any:
    """A setting's default, as its component wants it."""
    value = getattr(gpen.Settings(), name)
    return [] if CONTROLS[name].component == "CheckboxGroup" else value


def settings(values: Mapping[str, Any]) -> gpen.Settings:
    """Settings from what components hold; what is None or empty keeps its default.

    Raises:
        SettingsError: A value means nothing.
    """
    changes = {
        name: _plain(name, values[name])
        for name in CONTROLS
        if values.get(name) not in (None, "", [])
    }
    return gpen.Settings(models_dir=models.folder(), **changes)


def _plain(name: str, value: Any) -> Any:
    """A component's value in the type of its setting."""
    wanted = getattr(gpen.Settings(), name)
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        try:
            return type(wanted)(value)
        except (TypeError, ValueError):
            raise gpen.SettingsError(f"{name} is {value!r}; expected a number") from None
    return value.strip() if isinstance(value, str) else value
