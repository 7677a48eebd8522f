"""GPEN in txt2img and img2img: on every image made, after scripts that swap faces."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import scripts

from . import NAME, controls
from .restorer import page_value, restore_pil

_VISIBILITY = f"{NAME} visibility"


class GpenScript(scripts.Script):
    """The box "GPEN" below the settings of txt2img and img2img.

    *Restore faces* of WebUI works before scripts such as ReActor, this one after them
    (metadata.ini). What the box does not show is as on the Settings page.
    """

    def title(self) -> str:
        """Its name in WebUI's lists."""
        return NAME

    def show(self, is_img2img: bool) -> Any:
        """On both tabs, always."""
        del is_img2img
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """A switch, and how strongly."""
        del is_img2img
        strength = controls.CONTROLS["blend"]
        with controls.switched_box("gpen") as enable:
            blend = gr.Slider(value=page_value("blend"), label=strength.label, **strength.options())
        self.infotext_fields = [
            (enable, lambda found: True if _VISIBILITY in found else None),
            (blend, _VISIBILITY),
        ]
        return [enable, blend]

    def postprocess_image(
        self, p: Any, pp: Any, enable: bool = False, blend: float | None = None
    ) -> None:
        """Restore the faces of one image; on any error it stays as it is.

        Args:
            p: WebUI's generation; what was done goes into its parameters, and so into the file.
            pp: `pp.image` is a Pillow image.
            enable: Whether the box is on.
            blend: How strongly; None where an API call left it out.
        """
        if not enable:
            return
        over = {} if blend is None else {"blend": blend}
        pp.image, told = restore_pil(pp.image, **over)
        p.extra_generation_params.update(told)
