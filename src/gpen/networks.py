"""The networks of a run: opened on first use, once, from any thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .concurrency import Once
from .detect import Detector, load_detector
from .engines import Engine, open_engine
from .identity import Identity, open_identity
from .restoration import SharedEngine
from .settings import Settings
from .weights import ModelInfo, find_model

#: Settings that say which networks are opened, and how.
FIELDS = ("model", "models_dir", "detector", "embedding", "engine", "device", "precision")


class Networks:
    """What `Settings` name: the restorer, the detector, and what tells people apart."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock, self._engine_lock, self._detector_lock = (threading.Lock() for _ in range(3))
        self._engine: Engine | None = None
        self._detector: Detector | None = None
        self._model: ModelInfo | None = None
        open_it = partial(
            open_identity,
            settings.embedding,
            models_dir=settings.models_dir,
            engine=settings.engine,
            device=settings.device,
        )
        #: Results hold this, and not the other networks, to compare faces when asked to.
        self._identity: Once[Identity] = Once(open_it)

    @property
    def model(self) -> ModelInfo:
        """The weight file in use.

        Raises:
            UnknownModelError: No such model; the error lists what was found.
            WeightsError: The file is not a face restorer that gpen can run.
        """
        with self._lock:
            if self._model is None:
                self._model = find_model(self.settings.model, self.settings.models_dir)
            return self._model

    @property
    def engine(self) -> Engine:
        """The network, ready to run; threads that use it at the same time share its batches."""
        model, options = self.model, self.settings
        with self._engine_lock:
            if self._engine is None:
                engine = open_engine(
                    model,
                    engine=options.engine,
                    device=options.device,
                    precision=options.precision,
                )
                self._engine = SharedEngine(engine)
            return self._engine

    @property
    def detector(self) -> Detector:
        """The face detector, ready to run."""
        options = self.settings
        with self._detector_lock:
            if self._detector is None:
                self._detector = load_detector(
                    options.detector,
                    models_dir=options.models_dir,
                    engine=options.engine,
                    device=options.device,
                )
            return self._detector

    @property
    def identity(self) -> Identity:
        """What tells people apart, for `faces="like:PHOTO"` and `RestoredFace.similarity`.

        Raises:
            UnknownModelError: There is no file of the name in `Settings.embedding`.
            WeightsError: It is something else.
        """
        return self._identity()

    def load(self) -> None:
        """Open the networks now, side by side, instead of one after the other at the first photo.

        Raises:
            GpenError: One of them cannot run; see `gpen.errors`.
        """
        with ThreadPoolExecutor(1) as pool:
            detector = None if self.settings.aligned else pool.submit(lambda: self.detector)
            _ = self.engine
            if detector is not None:
                detector.result()
