"""Restorers for requests: a pool of open models, and work that can be cancelled."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engines import Engine
from ..errors import SettingsError, UnknownModelError, WeightsError
from ..faces.selection import choose_faces
from ..files import data_dir
from ..model_set import FIELDS
from ..models import ASSETS, ModelInfo, list_models, model_folders
from ..models.catalogue import licence_of
from ..models.find import find_files
from ..pipeline import Restorer
from ..settings import Settings
from ..types import Face, FloatArray, Image
from .http_problems import HttpProblem
from .request_queue import Check

if TYPE_CHECKING:
    from ..pipeline import Source

#: Models that are open at the same time.
OPEN_MODELS = 3
#: Seconds for which the list of models is remembered.
_REMEMBERED_S = 5.0
#: Licences of what gpen brings.
_OWN_LICENCE = "Apache-2.0"
#: The files that a name means, each with its size and time.
_Stamp = tuple[tuple[Path, int, int], ...]


class CancellableRestorer(Restorer):
    """A restorer for one request, which checks between steps whether it was cancelled.

    Attributes:
        check: Called between steps; raises where the work is to end.
        max_faces: Photos with more faces to restore are refused.
    """

    check: Check = staticmethod(lambda: None)
    max_faces: int = 0

    def on_tile(self, done: int, total: int) -> None:
        """Between the tiles of a background."""
        del done, total
        self.check()

    def for_request(self, check: Check, max_faces: int, settings: Settings) -> CancellableRestorer:
        """The same with other settings of the same networks, for one request."""
        changes = {
            name: getattr(settings, name)
            for name in Settings.__dataclass_fields__
            if name not in FIELDS
        }
        other: Any = self.with_(**changes)
        other.check, other.max_faces = check, max_faces
        for_request: CancellableRestorer = other
        return for_request

    @property
    def engine(self) -> Engine:
        """The network; it checks for cancellation before each batch."""
        return _CancellableEngine(super().engine, self.check)

    def detect(self, source: Source | Image) -> list[Face]:
        """Find the faces of a photo; checks for cancellation before and after."""
        self.check()
        faces = super().detect(source)
        self.check()
        return faces

    def locate(self, image: Image, **given: Any) -> list[Face]:
        """The faces of a photo; see `Restorer.locate`.

        Raises:
            SettingsError: There are more to restore than one request may ask for, or none of a
                number that is asked for.
        """
        self.check()
        faces = super().locate(image, **given)
        options = self.settings
        refuse_missing(options, len(faces))
        if not self.max_faces or options.faces.startswith("like:"):
            return faces
        chosen = choose_faces(faces, options.faces, options.min_face, image.size_wh)
        if len(chosen) > self.max_faces:
            raise SettingsError(
                f"{len(chosen)} faces are to be restored, more than the limit of "
                f"{self.max_faces}; choose some by faces=0,1,2 or by min_face"
            )
        return faces


def refuse_missing(options: Settings, n_faces: int) -> None:
    """Refuse settings for faces that a photo does not have.

    Raises:
        SettingsError: Says which, and how many there are.
    """
    chosen = options.faces.split(",") if re.fullmatch(r"[\d,]+", options.faces) else []
    own = [part.partition("=")[0] for part in options.face_blend.split(",") if part]
    for name, numbers in (("faces", chosen), ("face_blend", own)):
        missing = [number for number in numbers if int(number) >= n_faces]
        if missing:
            there = f"0 to {n_faces - 1}" if n_faces else "none, as no face was found"
            raise SettingsError(f"{name} has {missing[0]}; the numbers of this photo are {there}")


class _CancellableEngine:
    """An engine that checks before each batch whether to go on; see `Engine`."""

    def __init__(self, engine: Engine, check: Check) -> None:
        self.name, self.device, self.precision = engine.name, engine.device, engine.precision
        self.size, self.in_size = engine.size, engine.in_size
        self._engine, self._check = engine, check

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`."""
        self._check()
        return self._engine.run(crops)


class ModelPool:
    """The models that clients choose from, and those that are open.

    Attributes:
        is_loaded: The server's own model has been opened.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self.is_loaded = settings, False
        self._lock, self._list_lock = threading.Lock(), threading.Lock()
        self._open: OrderedDict[str, tuple[_Stamp | None, CancellableRestorer]] = OrderedDict()
        self._listed: tuple[float, list[ModelInfo]] = (float("-inf"), [])

    @property
    def default(self) -> str:
        """Name of the model that is used when a client names none."""
        name = self._settings.model
        return next((m.name for m in self.models() if str(m.path) == name), name)

    def models(self) -> list[ModelInfo]:
        """Restorers of the models folders, each name once, and files that are of no use."""
        with self._list_lock:
            listed_s, models = self._listed
            if time.monotonic() - listed_s > _REMEMBERED_S:
                models = self._list()
                self._listed = (time.monotonic(), models)
            return models

    def look_again(self) -> None:
        """Forget the list: a file has come."""
        with self._list_lock:
            self._listed = (float("-inf"), [])

    def _list(self) -> list[ModelInfo]:
        found: dict[str, ModelInfo] = {}
        for model in list_models(self._settings.models_dir):
            if model.role != "restorer" and model.usable:
                continue
            known = found.get(model.name.casefold())
            if known is None or (model.usable and not known.usable):
                found[model.name.casefold()] = model
        return list(found.values())

    def to_dict(self) -> dict[str, Any]:
        """The response of /v1/models."""
        return {
            "default": self.default,
            "folders": self._folders(),
            "models": [
                {
                    "name": model.name,
                    "size": model.size,
                    "kind": model.kind,
                    "file": model.path.name,
                    "licence": _OWN_LICENCE
                    if model.path.parent == ASSETS
                    else licence_of(model.path.name),
                    "usable": model.usable,
                    "problem": model.reason.replace(str(model.path), model.path.name),
                }
                for model in self.models()
            ],
        }

    def _folders(self) -> list[str]:
        """Where model files can be put; the user's own folder is named even if it is not there."""
        found = [f.resolve() for f in model_folders(self._settings.models_dir) if f != ASSETS]
        own = (data_dir() / "models").resolve()
        return [str(folder) for folder in dict.fromkeys([*found, own])]

    def restorer(self, name: str | None = None) -> CancellableRestorer:
        """The restorer of a model, its networks open; of the file as it is now.

        Args:
            name: As in /v1/models; never a path. None takes the server's own.

        Raises:
            UnknownModelError: No usable model has that name (any more).
            HttpProblem: The server's own model cannot be used (503).
            GpenError: Another network cannot be opened.
        """
        model = self._settings.model if name is None else self._path_of(name)
        try:
            opened = self._opened(model)
            opened.load()
        except WeightsError as error:
            self._close(model)
            raise self._refusal(model, error) from error
        self.is_loaded = self.is_loaded or model == self._settings.model
        return opened

    def _opened(self, model: str) -> CancellableRestorer:
        """The restorer that is open, unless the file was replaced since; else a new one."""
        files = [path for path, _ in find_files(model, self._settings.models_dir)]
        stamp = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
        with self._lock:
            known, restorer = self._open.pop(model, (None, None))
            if restorer is None or known != stamp:
                restorer = CancellableRestorer(self._settings.with_(model=model))
            self._open[model] = stamp, restorer
            while len(self._open) > OPEN_MODELS:
                self._open.pop(next(key for key in self._open if key != self._settings.model))
        return restorer

    def _close(self, model: str) -> None:
        with self._lock:
            self._open.pop(model, None)

    def _refusal(self, model: str, error: WeightsError) -> Exception:
        """Why a model cannot be used, without where it lies."""
        own, path = model == self._settings.model, Path(model)
        name = self._settings.model if own else path.stem
        reason = str(error).replace(model, path.name).replace(str(error.path), path.name)
        if isinstance(error, UnknownModelError):
            reason = "its file is no longer there"
        text = f"the model {Path(name).stem} cannot be used: {reason}"
        return HttpProblem(503, text) if own else UnknownModelError(text, name=name)

    def _path_of(self, name: str) -> str:
        """What `Settings.model` is for a name."""
        wanted = name.casefold()
        if wanted == self._settings.model.casefold() or wanted == self.default.casefold():
            return self._settings.model
        for models in (self.models, self._list):  # one that has just come may not be known yet
            for model in models():
                if model.name.casefold() == wanted and model.usable:
                    return str(model.path)
        usable = [model.name for model in self.models() if model.usable]
        raise UnknownModelError(
            f"no model {name[:40]!r} on this server; expected one of {', '.join(usable)}",
            name=name,
            known=usable,
        )
