"""WebUI's folders of weights, and the networks that are loaded."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from modules import paths_internal, shared

import gpen
from gpen.options import options_of
from gpen.settings import NETWORKS

from .console import report

#: Folders of other restorers below WebUI's models folder, in which people keep GPEN too, and of
#: upscalers.
_OTHERS = ("facerestore_models", "GFPGAN", "Codeformer", "ESRGAN", "RealESRGAN")
#: Restorers whose folder WebUI's command line can name.
_NAMED = ("gfpgan", "codeformer")
#: Settings for which networks are opened anew.
_OF_THE_NETWORKS = [
    name
    for name, option in options_of(gpen.Settings).items()
    if option.group == NETWORKS or name == "aligned"
]


def folder() -> Path:
    """`models/GPEN`, made where it is missing."""
    path = Path(paths_internal.models_path) / "GPEN"
    path.mkdir(parents=True, exist_ok=True)
    return path


def make_findable() -> None:
    """Have gpen look in WebUI's other folders of restorers too, wherever WebUI keeps them."""
    named = [getattr(shared.cmd_opts, f"{tool}_models_path", None) for tool in _NAMED]
    candidates = [Path(paths_internal.models_path) / name for name in _OTHERS]
    candidates += [Path(path) for path in named if path]
    known = [path for path in os.environ.get("GPEN_MODELS", "").split(os.pathsep) if path]
    known += [str(path) for path in candidates if path.is_dir()]
    os.environ["GPEN_MODELS"] = os.pathsep.join(dict.fromkeys(known))


def restorers() -> list[str]:
    """Names of the restorers that were found, the one that gpen brings first."""
    return _names("restorer", gpen.Settings().model)


def detectors() -> list[str]:
    """Names of the face detectors that were found, the one that gpen brings first."""
    return _names("detector", gpen.Settings().detector)


def embeddings() -> list[str]:
    """Names of the face embeddings that were found, the one that gpen brings first."""
    return _names("identity", gpen.Settings().embedding)


def upscalers() -> list[str]:
    """Names of the upscalers that were found, after nothing, which stands for none."""
    return _names("upscaler", gpen.Settings().background)


def _names(role: str, first: str) -> list[str]:
    try:
        found = [model.name for model in gpen.list_models(folder()) if model.role == role]
    except (gpen.GpenError, OSError) as error:  # WebUI's page must be built all the same
        report(error, "the folders of weights could not be read")
        found = []
    return list(dict.fromkeys([first, *found]))


class Networks:
    """The networks last used: one set at a time, because WebUI needs the memory itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: gpen.Restorer | None = None

    def restorer(self, settings: gpen.Settings) -> gpen.Restorer:
        """A restorer with these settings, on the networks that are loaded where they fit.

        Raises:
            GpenError: A network cannot be opened.
        """
        with self._lock:
            loaded = self._loaded
            if loaded is None or _networks_of(loaded.settings) != _networks_of(settings):
                loaded = self._loaded = None  # before the next is opened: both may not fit
                loaded = gpen.Restorer(settings)
                loaded.load()
            elif loaded.settings != settings:
                loaded = loaded.with_settings(settings)
            self._loaded = loaded
            return loaded

    def unload(self) -> None:
        """Let the networks go, and what they hold on the GPU."""
        with self._lock:
            self._loaded = None


def _networks_of(settings: gpen.Settings) -> tuple[object, ...]:
    return tuple(getattr(settings, name) for name in _OF_THE_NETWORKS)


#: Shared by the restorer and Extras.
NETWORKS = Networks()
