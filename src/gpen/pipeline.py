"""The photo pipeline: read → detect → align → restore → paste → write.

The one place that knows the order. Each stage is a plain function in a module of its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, cast, overload

import numpy as np

from .blending.finish import Finish, finish_crop
from .blending.paste import Patch, blend_crop, paste_faces
from .blending.reliability_estimator import Reliability
from .concurrency import in_parallel
from .errors import GpenError, SettingsError
from .face_templates import template_points
from .faces.aligned_images import crop_of_image, padding_note, without_padding
from .faces.alignment import align_face, on_enlarged
from .faces.embedding import Identity
from .faces.restoration import restore_crops
from .faces.selection import choose_faces, faces_from_points
from .images import transforms
from .images.enlarged_view import EnlargedView
from .images.read import read_image
from .images.tones import to_8bit, to_gray
from .model_set import ModelSet
from .result import Restoration, RestoredFace
from .settings import Settings
from .types import Crop, Face, Float64Array, FloatArray, Image, Pixels
from .upscaling.upscaler import OnTile, ignore_tiles

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
    cut_from: EnlargedView | None  # what crops were cut from, where it is not the canvas
    faces: list[Face]
    crops: list[tuple[int, Crop]]
    seconds: dict[str, float]
    reliabilities: list[Reliability | None]
    notes: tuple[str, ...] = ()


class Restorer(ModelSet):
    """Restores faces in photos; loads its networks on first use and keeps them open.

    One instance serves many threads.

    Example:
        >>> restorer = Restorer(blend=0.8)
        >>> restorer.restore("old.jpg").save("new.jpg")  # doctest: +SKIP
    """

    def __init__(self, settings: Settings | str | Path | None = None, /, **options: Any) -> None:
        """Take a `Settings`, or its fields as keyword arguments, or both.

        Args:
            settings: A `Settings`; or the name or path of a model, as `model=` would take it.
            **options: Fields of `Settings`.

        Raises:
            SettingsError: An option is unknown or has a value that means nothing.

        Example:
            >>> Restorer("GPEN-BFR-512", faces=[0, 2]).settings.faces
            '0,2'
        """
        if isinstance(settings, (str, Path)):
            if "model" in options:
                raise SettingsError(
                    f"two models are given, {str(settings)!r} and {str(options['model'])!r}; "
                    "expected one"
                )
            settings, options = None, options | {"model": settings}
        elif not isinstance(settings, (Settings, type(None))):
            raise SettingsError(
                f"the first argument is {settings!r}; expected a Settings or a model's name or path"
            )
        super().__init__((settings or Settings()).with_(**options))

    def with_(self, **options: Any) -> Self:
        """Copy this restorer with some options changed.

        Each network that stays the same is shared and opened once for both, now or later.

        Raises:
            SettingsError: An option is unknown or has a value that means nothing.
        """
        return self.with_settings(self.settings.with_(**options))

    def with_settings(self, settings: Settings) -> Self:
        """Copy this restorer with other settings; see `with_`."""
        other = super().with_settings(settings)
        vars(other).pop("person", None)  # it depends on `faces`
        return other

    #: Called from any thread while an upscaler works: tiles that are done, and tiles in all.
    on_tile: OnTile = staticmethod(ignore_tiles)

    @cached_property
    def person(self) -> FloatArray:
        """The embedding of the largest face in the photo of `faces="like:PHOTO"`.

        Raises:
            ReadError: The photo cannot be read.
            SettingsError: It shows no face.
        """
        photo = self.settings.faces.removeprefix("like:")
        image = read_image(photo, max_pixels=self.settings.max_pixels)
        faces = self.detect(image)
        if not faces:
            raise SettingsError(f"{photo} shows no face; expected a photo of the person to restore")
        return self.identity.embed(image.pixels, faces[0].points_xy)

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
        with _timed(work.seconds, "judge"):
            self._estimate_reliability(work)
        with _timed(work.seconds, "restore"):
            outputs = self._run(work)
        return self._finish(work, outputs)

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
        """Restore several photos concurrently, batching their faces together.

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
        return self.detector.detect(to_8bit(source.pixels))

    def _prepare(self, source: Source, points_xy: ArrayLike | None) -> _Work:
        """Read, detect and align."""
        options, seconds = self.settings, dict[str, float]()
        with _timed(seconds, "read"):
            image = read_image(source, max_pixels=options.max_pixels)
        if options.aligned:
            return _aligned_work(image, self.engine.size, self.model.template, seconds)
        if points_xy is None:
            _ = self.detector  # loading it is not the time that detecting takes
        with _timed(seconds, "detect"):
            faces = self.detect(image) if points_xy is None else faces_from_points(points_xy)
            chosen = self._choose(faces, image)
        if chosen:
            _ = self.engine  # loading it is not the time that aligning takes
        cut_from = EnlargedView(image.pixels, options.upscale) if options.background else None
        _ = self.upscaler  # likewise
        with _timed(seconds, "background" if options.background else "align"):
            canvas = self.enlarge(image.pixels, gray=image.is_gray)
        with _timed(seconds, "align"):
            crops = [(index, self.cut_out(canvas, cut_from, faces[index])) for index in chosen]
        return _Work(image, canvas, cut_from, faces, crops, seconds, [None] * len(crops))

    def enlarge(self, pixels: Pixels, *, gray: bool = False) -> Pixels:
        """Enlarge an image as the settings say, by Lanczos' kernel or the upscaler of backgrounds.

        Args:
            pixels: RGB, (height, width, 3), uint8 or uint16.
            gray: Give it no colour.

        Raises:
            GpenError: The upscaler cannot be opened or run.
        """
        upscaler, factor = self.upscaler, self.settings.upscale
        if upscaler is None:
            return transforms.enlarge(pixels, factor)
        return upscaler.enlarge(pixels, factor, gray=gray, on_tile=self.on_tile)

    def _choose(self, faces: Sequence[Face], image: Image) -> list[int]:
        """Numbers of the faces to restore."""
        options = self.settings
        if options.faces.startswith("track:"):
            raise SettingsError(
                f"faces is {options.faces!r}, which is for videos; expected all, largest, left, "
                "right, center, numbers such as 0,2 or like:PHOTO"
            )
        if not options.faces.startswith("like:"):
            return choose_faces(faces, options.faces, options.min_face, image.size_wh)
        return [
            index
            for index, face in enumerate(faces)
            if face.size_px >= options.min_face
            and self.identity.measure.is_same_person(
                self.identity.embed(image.pixels, face.points_xy), self.person
            )
        ]

    @property
    def enlarges(self) -> bool:
        """Whether results differ from their sources even where no face is."""
        return self.settings.upscale > 1 or bool(self.settings.background)

    def cut_out(self, canvas: Pixels, cut_from: EnlargedView | None, face: Face) -> Crop:
        """Cut a face out for the network.

        Args:
            canvas: What `enlarge` made of an image.
            cut_from: The plain enlargement of the same, where an upscaler made the canvas.
            face: In pixels of the image.
        """
        size, template = self.engine.size, self.model.template
        factor = self.settings.upscale
        if cut_from is None:
            points_xy = transforms.scale_points(face.points_xy, factor)
            return align_face(canvas, points_xy, size=size, template=template)
        # What an upscaler makes of a face is nothing to restore: it would be taken for the truth.
        return on_enlarged(
            align_face(cut_from.pixels, face.points_xy, size=size, template=template), factor
        )

    def _estimate_reliability(self, work: _Work) -> None:
        """Estimate how far each crop can be trusted."""
        if self.settings.fusion and work.crops:
            estimator = self.reliability
            work.reliabilities = [estimator.estimate(crop.pixels) for _, crop in work.crops]

    def _run(self, work: _Work) -> list[Pixels]:
        """Run the network on the crops that need it; others are returned unchanged."""
        pixels = [crop.pixels for _, crop in work.crops]
        if not self.settings.restore_color:
            needed = [r is None or not r.is_undamaged for r in work.reliabilities]
        else:
            needed = [True] * len(pixels)
        damaged = [crop for crop, is_needed in zip(pixels, needed, strict=True) if is_needed]
        outputs = iter(restore_crops(damaged, self.engine) if damaged else [])
        return [next(outputs) if one else crop for crop, one in zip(pixels, needed, strict=True)]

    def _finish(self, work: _Work, outputs: Sequence[Pixels]) -> Restoration:
        """Paste the outputs into the photo and describe the result."""
        options, source = self.settings, work.source
        patches = []
        with _timed(work.seconds, "paste"):
            for (index, crop), output, reliability in zip(
                work.crops, outputs, work.reliabilities, strict=True
            ):
                patches.append(_finished(crop, output, reliability, options, index, source.is_gray))
            if options.aligned:
                pixels = without_padding(blend_crop(patches[0]), source.size_wh)
            else:
                pixels = paste_faces(
                    work.canvas,
                    patches if options.restore_color else _pasted(patches, work),
                    mask=options.mask,
                    match_color=options.match_color,
                    cut_from=work.cut_from,
                    in_place=work.canvas is not source.pixels,
                )
            alpha = source.alpha
            if alpha is not None and alpha.shape != pixels.shape[:2]:
                alpha = transforms.resize(alpha, (pixels.shape[1], pixels.shape[0]))
        photo = dataclasses.replace(source, pixels=pixels, alpha=alpha)
        compare = partial(_similarity, self._identity, source.pixels, pixels)
        restored = [
            RestoredFace(
                index,
                crop,
                patch.pixels,
                partial(compare, _points(work, index, crop)),
                None if reliability is None else reliability.damage,
            )
            for (index, crop), patch, reliability in zip(
                work.crops, patches, work.reliabilities, strict=True
            )
        ]
        faces = _with_results(work.faces, restored)
        notes = (*source.notes, *work.notes, *_sharpness_note(work.reliabilities))
        return Restoration(photo, source, faces, restored, work.seconds, options, notes)


def _finished(
    crop: Crop,
    output: Pixels,
    reliability: Reliability | None,
    options: Settings,
    index: int,
    is_gray: bool,
) -> Patch:
    """A finished face, ready to be pasted."""
    output = to_gray(output) if is_gray else output
    pixels, weight = finish_crop(
        crop, output, Finish.of(options), reliability=reliability, seed=index
    )
    keep_residual = options.fusion or options.match_grain
    return Patch(crop, pixels, weight, options.blend_of(index), keep_residual=keep_residual)


def _pasted(patches: Sequence[Patch], work: _Work) -> list[Patch]:
    """The faces to paste: on an upscaler's image those that it does not show as well itself."""
    return [
        patch
        for patch, reliability in zip(patches, work.reliabilities, strict=True)
        if work.cut_from is None or reliability is None or not reliability.is_undamaged
    ]


def _sharpness_note(reliabilities: Sequence[Reliability | None]) -> list[str]:
    """A note for users who see no change."""
    sharp, faces = sum(r is not None and r.is_undamaged for r in reliabilities), len(reliabilities)
    if sharp and faces == 1:
        return ["already sharp, left as it was"]
    return [f"{sharp} of {faces} faces already sharp, left as they were"] if sharp else []


def _with_results(faces: Sequence[Face], restored: Sequence[RestoredFace]) -> list[Face]:
    """The faces, with damage and change filled in."""
    described = list(faces)
    for one in restored:
        if one.index < len(described):  # an aligned photo has a crop, and no face was looked for
            described[one.index] = dataclasses.replace(
                described[one.index], damage=one.damage, change_levels=one.change_levels
            )
    return described


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
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - started


def _aligned_work(image: Image, size: int, template: str, seconds: dict[str, float]) -> _Work:
    """The whole input as one crop at the network's size, its points where crops have them."""
    with _timed(seconds, "align"):
        crop = crop_of_image(image.pixels, template_points(template, size), size)
    note = padding_note(image.size_wh, size)
    notes = (note,) if note else ()
    return _Work(image, crop.pixels, None, [], [(0, crop)], seconds, [None], notes)


def _points(work: _Work, index: int, crop: Crop) -> Float64Array:
    """The five points of a face, in pixels of the source."""
    if work.faces:
        return work.faces[index].points_xy
    return transforms.apply(transforms.invert(crop.crop_from_image), crop.points_xy)


def _similarity(
    identity: Callable[[], Identity], before: Pixels, after: Pixels, points_xy: Float64Array
) -> float:
    return identity().compare(before, after, points_xy)
