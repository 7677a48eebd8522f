"""GPEN on the Extras tab, for both forms of WebUI's script interface."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import scripts_postprocessing

from . import NAME, controls
from .restorer import page_value, restore_pil


class GpenPostprocessing(scripts_postprocessing.ScriptPostprocessing):
    """The box "GPEN" of the Extras tab; what it does not show is as on the Settings page."""

    name = NAME
    order = 20500  # after ReActor's box, 20000, whose faces it is to restore

    def ui(self) -> dict[str, Any]:
        """Its controls by the names that `process` takes, which are those of `gpen.Settings`."""
        with controls.switched_box("extras_gpen") as enable:
            return {"enable": enable, **_components()}

    def process(self, pp: Any, enable: bool | None = False, **values: Any) -> None:
        """Restore the faces of one image; on any error it stays as it is.

        Args:
            pp: WebUI's image; `pp.image` is a Pillow image, `pp.info` goes into the file.
            enable: Whether the box is on.
            **values: What the controls hold; None where an API call left one out.
        """
        if not enable:
            return
        pp.image, told = restore_pil(pp.image, **_given(values))
        pp.info.update(told)

    def image_changed(self) -> None:
        """Nothing is remembered about an image."""


def _components() -> dict[str, Any]:
    return {
        name: getattr(gr, control.component)(
            value=page_value(name),
            label=control.label,
            elem_id=f"extras_gpen_{name}",
            **control.options(),
        )
        for name, control in controls.at(controls.EXTRAS).items()
    }


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """What was said; what an API call left out is as on the Settings page."""
    return {name: value for name, value in values.items() if value is not None}
