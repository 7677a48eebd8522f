"""What WebUI shows of gpen's options, and where; all else follows from gpen's table.

A new field of `gpen.Settings` appears on both pages, unless its `Option` says why not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from modules import ui_components

import gpen
from gpen.options import Option, missing_at, options_of
from gpen.settings import NETWORKS

from . import NAME, models

#: The Settings page, which also is what the face restorer uses.
PAGE = "page"
#: The Extras tab.
EXTRAS = "extras"
#: What depends on the image, so that a setting for all images would be of no use.
_EXTRAS_ONLY = ("upscale", "background", "background_denoise", "face_blend", "aligned", "at")
#: Where names are looked up when the page is built.
_NAMES = {
    "model": models.restorers,
    "background": models.upscalers,
    "detector": models.detectors,
    "embedding": models.embeddings,
}
#: Gradio's component of each kind of option.
_COMPONENTS = {
    "boolean": "Checkbox",
    "choice": "Radio",
    "choices": "CheckboxGroup",
    "string": "Textbox",
}


@dataclass(frozen=True)
class Control:
    """How one option is shown."""

    option: Option

    @property
    def places(self) -> tuple[str, ...]:
        """The pages that it is shown on."""
        if self.option.name in _EXTRAS_ONLY:
            return (EXTRAS,)
        is_shared = self.option.group != NETWORKS or self.option.name == "model"
        return (PAGE, EXTRAS) if is_shared else (PAGE,)

    @property
    def component(self) -> str:
        """Name of a Gradio component."""
        if self.is_looked_up:
            return "Dropdown"
        number = "Number" if self.option.maximum is None else "Slider"
        return _COMPONENTS.get(self.option.kind, number)

    @property
    def label(self) -> str:
        """The words beside it; for text, which Gradio says nothing else about, how to write it."""
        if self.component == "Textbox":
            return self.option.help_at("webui")
        return (
            f"{self.option.label} ({self.option.unit})" if self.option.unit else self.option.label
        )

    @property
    def is_looked_up(self) -> bool:
        """Its choices are names of weights, which may have changed since."""
        return self.option.name in _NAMES

    def options(self) -> dict[str, Any]:
        """Arguments of the component as of now."""
        option = self.option
        if self.is_looked_up:
            return {"choices": _NAMES[option.name]()}
        if option.choices:
            return {"choices": list(option.choices)}
        if self.component == "Slider":
            return {"minimum": option.minimum, "maximum": option.maximum, "step": option.step}
        return {}


#: Options that mean nothing here, and why.
NOT_APPLICABLE = missing_at("webui", gpen.Settings)
CONTROLS = {
    name: Control(option)
    for name, option in options_of(gpen.Settings).items()
    if name not in NOT_APPLICABLE
}


def at(place: str) -> dict[str, Control]:
    """The rows of one place."""
    return {name: control for name, control in CONTROLS.items() if place in control.places}


@contextmanager
def switched_box(elem_id: str) -> Iterator[Any]:
    """A box named GPEN for controls, as this WebUI has it; yields its switch, which is off."""
    if hasattr(ui_components, "InputAccordion"):
        with ui_components.InputAccordion(False, label=NAME, elem_id=elem_id) as switch:
            yield switch
    else:
        with gr.Accordion(NAME, open=False):
            yield gr.Checkbox(value=False, label="Enable")


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
    """A component's value as gpen's table takes it; numbers may come as text and 2.0."""
    option = CONTROLS[name].option
    if option.kind in ("integer", "number"):
        try:
            return option.type(value)
        except (TypeError, ValueError):
            raise gpen.SettingsError(f"{name} is {value!r}; expected a number") from None
    return value.strip() if isinstance(value, str) else value
