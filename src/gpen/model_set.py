"""The networks that settings name, opened on first use and shared between threads."""

from __future__ import annotations

import copy
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from .blending.reliability_estimator import FILE as RELIABILITY_FILE
from .blending.reliability_estimator import ReliabilityEstimator
from .concurrency import Once
from .engines import Engine, open_engine
from .faces.detection import Detector, load_detector
from .faces.embedding import Identity, open_identity
from .faces.given_faces import PointFinder, open_point_finder
from .models import ASSETS, ModelInfo, find_model
from .models.tasks import Task, task_named
from .settings import Settings
from .upscaling.upscaler import Upscaler, load_upscaler

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("gpen")

# The settings that each network depends on.
_MODEL = ("model", "models_dir")
_ENGINE = (*_MODEL, "engine", "device", "precision")
_DETECTOR = ("detector", "models_dir", "engine", "device")
_IDENTITY = ("embedding", "models_dir", "engine", "device")
_POINT_FINDER = ("engine", "device")
_RELIABILITY = ("engine",)
_UPSCALER = ("background", "background_denoise", "models_dir", "engine", "device", "precision")
#: All settings that decide which networks are opened, and how.
FIELDS = tuple(
    sorted({*_ENGINE, *_DETECTOR, *_IDENTITY, *_POINT_FINDER, *_RELIABILITY, *_UPSCALER})
)


class ModelSet:
    """The networks named by `Settings`: restorer, detector, upscaler and so on.

    Attributes:
        task: What the restorer is used for; a file whose name says otherwise is warned of.
    """

    task: Task = "restore"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._model = _model(settings, self.task)
        self._engine = _engine(settings, self._model)
        self._detector = _detector(settings)
        self._point_finder = _point_finder(settings)
        self._identity = _identity(settings)
        self._reliability = _reliability(settings)
        self._upscaler = _upscaler(settings)

    def with_settings(self, settings: Settings) -> Self:
        """Copy for other settings; unaffected networks are shared, whether open or not."""

        def changes(names: tuple[str, ...]) -> bool:
            return any(getattr(settings, name) != getattr(self.settings, name) for name in names)

        other = copy.copy(self)
        other.settings = settings
        if changes(_MODEL):
            other._model = _model(settings, self.task)
        if changes(_ENGINE):
            other._engine = _engine(settings, other._model)
        if changes(_DETECTOR):
            other._detector = _detector(settings)
        if changes(_POINT_FINDER):
            other._point_finder = _point_finder(settings)
        if changes(_IDENTITY):
            other._identity = _identity(settings)
        if changes(_RELIABILITY):
            other._reliability = _reliability(settings)
        if changes(_UPSCALER):
            other._upscaler = _upscaler(settings)
        return other

    @property
    def model(self) -> ModelInfo:
        """The weight file in use.

        Raises:
            UnknownModelError: No such model; the error lists what was found.
            WeightsError: The file is not a face restorer that gpen can run.
        """
        return self._model()

    @property
    def engine(self) -> Engine:
        """The network, ready to run; threads that use it at the same time share its batches."""
        return self._engine()

    @property
    def detector(self) -> Detector:
        """The face detector, ready to run."""
        return self._detector()

    @property
    def point_finder(self) -> PointFinder:
        """The network that finds the points of faces whose place is given."""
        return self._point_finder()

    @property
    def identity(self) -> Identity:
        """The face embedding, for `faces="like:PHOTO"` and `RestoredFace.similarity`.

        Raises:
            UnknownModelError: There is no file of the name in `Settings.embedding`.
            WeightsError: It is something else.
        """
        return self._identity()

    @property
    def reliability(self) -> ReliabilityEstimator:
        """The network that estimates how reliable the input is, for `fusion`."""
        return self._reliability()

    @property
    def upscaler(self) -> Upscaler | None:
        """The upscaler of the background, ready to run; None where the settings name none.

        Raises:
            UnknownModelError: There is no such file, or none to mix in for less denoising.
            WeightsError: It is something else, or enlarges by a factor that gpen has no use for.
        """
        return self._upscaler() if self.settings.background else None

    def load(self) -> None:
        """Open the networks now, in parallel, instead of on first use.

        Raises:
            GpenError: One of them cannot run; see `gpen.errors`.
        """
        with ThreadPoolExecutor(1) as pool:
            is_needed = self.settings.are_faces_searched
            detector = pool.submit(lambda: self.detector) if is_needed else None
            _ = self.engine
            _ = self.upscaler
            if detector is not None:
                detector.result()


def _model(settings: Settings, task: Task) -> Once[ModelInfo]:
    def find() -> ModelInfo:
        model = find_model(settings.model, settings.models_dir)
        if (named := task_named(model.name)) != task:  # tensors of all tasks are alike
            _log.warning("%s is made to %s, by its name; it is used to %s all the same",
                         model.path.name, named, task)  # fmt: skip
        return model

    return Once(find)


def _engine(settings: Settings, model: Once[ModelInfo]) -> Once[Engine]:
    def open_() -> Engine:
        return open_engine(
            model(),
            engine=settings.engine,
            device=settings.device,
            precision=settings.precision,
        )

    return Once(open_)


def _detector(settings: Settings) -> Once[Detector]:
    def open_() -> Detector:
        return load_detector(
            settings.detector,
            models_dir=settings.models_dir,
            engine=settings.engine,
            device=settings.device,
        )

    return Once(open_)


def _point_finder(settings: Settings) -> Once[PointFinder]:
    return Once(lambda: open_point_finder(settings.engine, settings.device))


def _identity(settings: Settings) -> Once[Identity]:
    return Once(
        partial(
            open_identity,
            settings.embedding,
            models_dir=settings.models_dir,
            engine=settings.engine,
            device=settings.device,
        )
    )


def _reliability(settings: Settings) -> Once[ReliabilityEstimator]:
    return Once(lambda: ReliabilityEstimator(ASSETS / RELIABILITY_FILE, engine=settings.engine))


def _upscaler(settings: Settings) -> Once[Upscaler]:
    return Once(
        partial(
            load_upscaler,
            settings.background,
            models_dir=settings.models_dir,
            engine=settings.engine,
            device=settings.device,
            precision=settings.precision,
            denoise=settings.background_denoise,
        )
    )
