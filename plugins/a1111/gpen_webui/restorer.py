"""GPEN among WebUI's face restorers: in Settings, img2img, the API, and extensions that look there.

WebUI's convention for images: uint8 RGB, (height, width, 3), the same size in and out.
"""

from __future__ import annotations

import inspect
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
from modules import devices, face_restoration, script_callbacks, shared

import gpen

from . import NAME, controls, models
from .console import report

_SECTION = ("gpen", NAME)
#: Where WebUI's Settings have kinds of pages, ours is beside "Face restoration".
_CATEGORY = "postprocessing"


class GpenFaceRestoration(face_restoration.FaceRestoration):
    """A face restorer as WebUI knows them.

    Attributes:
        cmd_dir: Folder of its weights, as the API shows it.
    """

    def __init__(self) -> None:
        self.cmd_dir = str(models.folder())

    def name(self) -> str:
        """Its name in WebUI's lists."""
        return NAME

    def restore(self, np_image: Any) -> Any:
        """Restore the faces of an image; on any error it is returned as it is."""
        try:
            return models.NETWORKS.restorer(page_settings()).restore(np_image).photo.pixels
        except Exception as error:
            report(error)
            return np_image
        finally:
            unload_if_asked()


def register() -> None:
    """Put GPEN in `shared.face_restorers`, in the place of one from before a reload."""
    others = [known for known in shared.face_restorers if known.name() != NAME]
    shared.face_restorers[:] = [*others, GpenFaceRestoration()]
    script_callbacks.on_ui_settings(add_page)


def add_page() -> None:
    """The page "GPEN" of WebUI's Settings."""
    known = inspect.signature(shared.OptionInfo).parameters
    category = {"category_id": _CATEGORY} if "category_id" in known else {}
    for name, control in controls.at(controls.PAGE).items():
        refresh = {"refresh": lambda: None} if control.is_looked_up else {}
        shared.opts.add_option(
            f"gpen_{name}",
            shared.OptionInfo(
                controls.default(name),
                control.label,
                getattr(gr, control.component),
                control.options if control.is_looked_up else control.options(),
                section=_SECTION,
                **refresh,
                **category,
            ),
        )


def page_settings(**over: Any) -> gpen.Settings:
    """What the Settings page says, and values that stand above it.

    Raises:
        SettingsError: A value means nothing.
    """
    page = {name: getattr(shared.opts, f"gpen_{name}", None) for name in controls.at(controls.PAGE)}
    settings = controls.settings({**page, **over})
    on_cpu = {"all", "gpen"} & set(getattr(shared.cmd_opts, "use_cpu", None) or ())
    return settings.with_(device="cpu") if on_cpu and settings.device == "auto" else settings


def page_value(name: str) -> Any:
    """What the Settings page holds for one setting; gpen's default where it has no such row."""
    return getattr(shared.opts, f"gpen_{name}", controls.default(name))


def restore_pil(image: PIL.Image.Image, **over: Any) -> tuple[PIL.Image.Image, dict[str, Any]]:
    """Restore the faces of a Pillow image; on any error it is returned as it is.

    Args:
        image: RGB, or with transparency.
        **over: Values that stand above the Settings page.

    Returns:
        The image, and what WebUI shows beneath it and writes into its file.
    """
    try:
        settings = page_settings(**over)
        result = models.NETWORKS.restorer(settings).restore(_array(image))
        restored = PIL.Image.fromarray(np.ascontiguousarray(result.image))
    except Exception as error:
        return image, {NAME: report(error)}
    else:
        return restored, {
            f"{NAME} model": settings.model,
            f"{NAME} visibility": round(float(settings.blend), 3),
            f"{NAME} faces": len(result.restored),
        }
    finally:
        unload_if_asked()


def _array(image: PIL.Image.Image) -> Any:
    """RGB, or RGBA where the image has transparency."""
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))


def unload_if_asked() -> None:
    """Let the networks go where WebUI's own setting says so."""
    if getattr(shared.opts, "face_restoration_unload", False):
        models.NETWORKS.unload()
        devices.torch_gc()
