"""The photo pipeline: read → detect → align → restore → paste → write.

The one place that knows the order. Each stage is a plain function in a module of its own.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast, overload

import numpy as np

from . import geometry
from .align import align_face
from .concurrency import in_parallel
from .detect import Detector, load_detector
from .engines import Engine, open_engine
from .errors import GpenError, SettingsError
from .faces import choose_faces, faces_from_points
from .paste import Patch, paste_faces
from .read import read_image
from .restoration import SharedEngine, restore_crops
from .result import Restoration, RestoredFace
from .settings import Settings
from .types import Crop, Face, Image, Pixels
from .weights import ModelInfo, find_model

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import ArrayLike

    Source = str | Path | bytes | BinaryIO | PIL.Image.Image | np.ndarray[Any, Any]

#: Photos that are worked on at the same time when a list is restored; see `benchmarks/photo.py`.
JOBS = 2


@dataclass(slots=True)
class _Work:
    """A photo between the stages before and after the network."""

    source: Image
    canvas: Pixels  # the photo at output size
    faces: list[Face]
    crops: list[tuple[int, Crop]]
    seconds: dict[str, float]


class Restorer:
    """Restores faces in photos; loads its networks on first use and keeps them.

    One instance serves many threads.

    Example:
        >>> restorer = Restorer(blend=0.8)
        >>> restorer.restore("old.jpg").save("new.jpg")  # doctest: +SKIP
    """

    def __init__(self, settings: Settings | None = None, /, **options: Any) -> None:
        """Take a `Settings`, or its fields as keyword arguments, or both.

        Raises:
            SettingsError: An option is unknown or has a value that means nothing.
        """
        try:
            self.settings = dataclasses.replace(settings or Settings(), **options)
        except TypeError:
            known = [f.name for f in dataclasses.fields(Settings)]
            unknown = ", ".join(sorted(set(options) - set(known)))
            raise SettingsError(
                f"unknown option {unknown}; expected one of {', '.join(known)}"
            ) from None
        self._lock, self._engine_lock, self._detector_lock = (threading.Lock() for _ in range(3))
        self._engine: Engine | None = None
        self._detector: Detector | None = None
        self._model: ModelInfo | None = None

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

    def restore(self, source: Source, *, points_xy: ArrayLike | None = None) -> Restoration:
        """Restore the faces of one photo.

        Args:
            source: A path, bytes, an open file, a Pillow image, or an RGB(A) or grey array.
            points_xy: (faces, 5, 2) points in image pixels, instead of detecting faces.

        Raises:
            ReadError: The source is not a photo that can be read.
            GpenError: See `gpen.errors`.
        """
        work = self._prepare(source, points_xy)
        with _timed(work.seconds, "restore"):
            answers = self._run([crop for _, crop in work.crops])
        return self._finish(work, answers)

    @overload
    def restore_many(
        self, sources: Iterable[Source], *, jobs: int = JOBS, return_errors: Literal[False] = False
    ) -> Iterator[Restoration]: ...

    @overload
    def restore_many(
        self, sources: Iterable[Source], *, jobs: int = JOBS, return_errors: Literal[True]
    ) -> Iterator[Restoration | GpenError]: ...

    def restore_many(
        self, sources: Iterable[Source], *, jobs: int = JOBS, return_errors: bool = False
    ) -> Iterator[Restoration | GpenError]:
        """Restore photos, several at the same time, their faces in common batches.

        Results come in the order of the sources and are, bit for bit, those of `restore`. At most
        `2 * jobs` photos are in memory beside the one yielded, however many there are. Leaving the
        iterator early lets photos that have begun finish and starts none.

        Args:
            sources: As in `restore`; taken one by one, in the caller's thread.
            jobs: Photos that are worked on at the same time.
            return_errors: Yield the error of a photo that fails in its place, and go on.

        Raises:
            GpenError: A photo failed, without `return_errors`; what was yielded stays valid.
        """
        work = partial(_or_error, self.restore) if return_errors else self.restore
        return in_parallel(work, sources, jobs=jobs, in_order=True)

    def detect(self, source: Source | Image) -> list[Face]:
        """Find the faces of a photo, read already or not, largest first."""
        if not isinstance(source, Image):
            source = read_image(source, max_pixels=self.settings.max_pixels)
        return self.detector.detect(_as_uint8(source.pixels))

    def _prepare(self, source: Source, points_xy: ArrayLike | None) -> _Work:
        """Read, detect and align."""
        options, seconds = self.settings, dict[str, float]()
        with _timed(seconds, "read"):
            image = read_image(source, max_pixels=options.max_pixels)
        if options.aligned:
            return _aligned_work(image, self.engine.size, seconds)
        if points_xy is None:
            _ = self.detector  # loading it is not the time that detecting takes
        with _timed(seconds, "detect"):
            faces = self.detect(image) if points_xy is None else faces_from_points(points_xy)
            chosen = choose_faces(faces, options.faces, options.min_face, image.size_wh)
        if chosen:
            _ = self.engine  # loading it is not the time that aligning takes
        with _timed(seconds, "align"):
            canvas = _enlarge(image.pixels, options.upscale)
            crops = [(index, self._cut_out(canvas, faces[index])) for index in chosen]
        return _Work(image, canvas, faces, crops, seconds)

    def _cut_out(self, canvas: Pixels, face: Face) -> Crop:
        points_xy = geometry.scale_points(face.points_xy, self.settings.upscale)
        return align_face(canvas, points_xy, size=self.engine.size, template=self.model.template)

    def _run(self, crops: Sequence[Crop]) -> list[Pixels]:
        return restore_crops([crop.pixels for crop in crops], self.engine) if crops else []

    def _finish(self, work: _Work, answers: Sequence[Pixels]) -> Restoration:
        """Paste the answers back and put the photo together again."""
        options, source = self.settings, work.source
        if source.is_gray:
            answers = [_gray(pixels) for pixels in answers]
        restored = [
            RestoredFace(index, crop, pixels)
            for (index, crop), pixels in zip(work.crops, answers, strict=True)
        ]
        with _timed(work.seconds, "paste"):
            if options.aligned:
                pixels = _blend(work.canvas, answers[0], options.blend)
            else:
                pixels = paste_faces(
                    work.canvas,
                    [Patch(face.crop, face.pixels) for face in restored],
                    blend=options.blend,
                    mask=options.mask,
                    match_color=options.match_color,
                )
            alpha = source.alpha
            if alpha is not None and alpha.shape != pixels.shape[:2]:
                alpha = geometry.resize(alpha, (pixels.shape[1], pixels.shape[0]))
        photo = dataclasses.replace(source, pixels=pixels, alpha=alpha)
        return Restoration(photo, source, work.faces, restored, work.seconds, options)


def restore(source: Source | Sequence[Source], **options: Any) -> Any:
    """Restore the faces of a photo, or of a list of photos.

    Args:
        source: A path, bytes, an open file, a Pillow image, an RGB(A) or grey array, or a list.
        **options: Fields of `Settings`.

    Returns:
        A `Restoration`, or a list of them for a list.

    Raises:
        GpenError: See `gpen.errors`.

    Example:
        >>> import gpen
        >>> gpen.restore("old.jpg").save("new.jpg")  # doctest: +SKIP
    """
    restorer = Restorer(**options)
    if isinstance(source, (list, tuple)):
        return list(restorer.restore_many(source))
    return restorer.restore(cast("Source", source))


def _or_error(work: Callable[[Source], Restoration], source: Source) -> Restoration | GpenError:
    try:
        return work(source)
    except GpenError as error:
        return error


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


def _aligned_work(image: Image, size: int, seconds: dict[str, float]) -> _Work:
    """The whole input as one crop at the network's size."""
    with _timed(seconds, "align"):
        pixels = geometry.resize(image.pixels, (size, size))
        width, height = image.size_wh
        crop = Crop(pixels, geometry.scaling(size / width, size / height), np.zeros((0, 2)))
    return _Work(image, pixels, [], [(0, crop)], seconds)


def _enlarge(pixels: Pixels, factor: int) -> Pixels:
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    return geometry.resize(pixels, (width * factor, height * factor))


def _as_uint8(pixels: Pixels) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if pixels.dtype == np.uint8:
        return cast("np.ndarray[Any, np.dtype[np.uint8]]", pixels)
    return (pixels >> 8).astype(np.uint8)


def _gray(pixels: Pixels) -> Pixels:
    """Rec. 601 luma in all three channels, as Pillow and OpenCV define grey."""
    luma = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    gray = np.repeat(np.rint(luma)[..., None], 3, axis=2).astype(pixels.dtype)
    return cast("Pixels", gray)


def _blend(before: Pixels, after: Pixels, blend: float) -> Pixels:
    mixed = before.astype(np.float32) * (1 - blend) + after.astype(np.float32) * blend
    return cast("Pixels", np.rint(mixed).astype(before.dtype))
