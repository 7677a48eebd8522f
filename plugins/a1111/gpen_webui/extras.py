"""GPEN on the Extras tab, for both forms of WebUI's script interface."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
from modules import scripts_postprocessing, ui_components

from . import NAME, controls, models
from .console import report
from .restorer import page_settings, page_value, unload_if_asked


class GpenPostprocessing(scripts_postprocessing.ScriptPostprocessing):
    """The box "GPEN" of the Extras tab; what it does not show is as on the Settings page."""

    name = NAME
    order = 2500  # between GFPGAN and CodeFormer

    def ui(self) -> dict[str, Any]:
        """Its controls by the names that `process` takes, which are those of `gpen.Settings`."""
        if hasattr(ui_components, "InputAccordion"):
            with ui_components.InputAccordion(False, label=NAME, elem_id="extras_gpen") as enable:
                return {"enable": enable, **_components()}
        with gr.Accordion(NAME, open=False):
            enable = gr.Checkbox(value=False, label="Enable")
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
        try:
            settings = page_settings(**_given(values))
            result = models.NETWORKS.restorer(settings).restore(_array(pp.image))
            pp.image = PIL.Image.fromarray(np.ascontiguousarray(result.image))
        except Exception as error:
            pp.info[NAME] = report(error)
        else:
            pp.info[f"{NAME} model"] = settings.model
            pp.info[f"{NAME} visibility"] = round(float(settings.blend), 3)
            pp.info[f"{NAME} faces"] = len(result.restored)
        finally:
            unload_if_asked()

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


def _array(image: PIL.Image.Image) -> Any:
    """RGB, or RGBA where the image has transparency."""
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
