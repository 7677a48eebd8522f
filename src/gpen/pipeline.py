"""The photo pipeline: read → detect → align → restore → paste → write.

The one place that knows the order. Each stage is a plain function in a module of its own. Up to
the networks' outputs a photo takes seconds; composing them (`gpen.composition`), milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast, overload

import numpy as np

from .blending.paste import Patch
from .composition import FaceOutput, FoundFaces, Outputs, compose_photo, finish_face
from .concurrency import in_parallel
from .description import describe, with_pixels
from .errors import GpenError, SettingsError
from .face_templates import template_points
from .faces.aligned_images import crop_of_image, padding_note
from .faces.alignment import align_face, on_enlarged
from .faces.given_faces import faces_at, whole_face
from .faces.restoration import restore_crops
from .faces.selection import choose_faces, faces_from_points
from .images import transforms
from .images.enlarged_view import EnlargedView
from .images.read import read_image
from .images.tones import to_8bit
from .model_set import ModelSet
from .result import Restoration
from .settings import Settings
from .types import Crop, Face, FloatArray, Image, Pixels
from .upscaling.upscaler import OnTile, ignore_tiles

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    Source = str | Path | bytes | BinaryIO | PIL.Image.Image | np.ndarray[Any, Any]

#: Photos that are worked on at the same time when a list is restored; see `benchmarks/photo.py`.
JOBS = 2


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

    def restore(
        self,
        source: Source | Image,
        *,
        points_xy: ArrayLike | None = None,
        boxes_xyxy: ArrayLike | None = None,
    ) -> Restoration:
        """Restore the faces of one photo.

        Args:
            source: A path, bytes, an open file, a Pillow image, an RGB(A) or grey array, or a photo
                read already.
            points_xy: (faces, 5, 2) points in image pixels, instead of detecting faces.
            boxes_xyxy: (faces, 4) boxes in image pixels, likewise; their points are looked for.
                These faces are numbered after those of `points_xy`.

        Raises:
            ReadError: The source is not a photo that can be read.
            GpenError: See `gpen.errors`.
        """
        found = self.find_faces(source, points_xy=points_xy, boxes_xyxy=boxes_xyxy)
        return self.compose(self.run_networks(found), once=True)

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

    def locate(
        self,
        image: Image,
        *,
        points_xy: ArrayLike | None = None,
        boxes_xyxy: ArrayLike | None = None,
    ) -> list[Face]:
        """The faces of a photo, in the order of their numbers: given ones, or those found.

        Args:
            image: The photo.
            points_xy: As in `restore`.
            boxes_xyxy: As in `restore`. Without both, `Settings.at` says where faces are, else they
                are looked for.

        Raises:
            SettingsError: A shape is another, or a place in `Settings.at` shows no face.
        """
        at = self.settings.at
        if points_xy is not None or boxes_xyxy is not None:
            faces = [] if points_xy is None else faces_from_points(points_xy)
            if boxes_xyxy is not None:
                found = self.point_finder.in_boxes(to_8bit(image.pixels), boxes_xyxy)
                faces += [face for face, _ in found]
            return faces
        if at:
            return faces_at(self.point_finder, to_8bit(image.pixels), at)
        if self.settings.faces == "whole":
            return [whole_face(self.point_finder, to_8bit(image.pixels))]
        return self.detect(image)

    def find_faces(
        self,
        source: Source | Image,
        *,
        points_xy: ArrayLike | None = None,
        boxes_xyxy: ArrayLike | None = None,
    ) -> FoundFaces:
        """Read a photo, unless it is read already, and find its faces.

        Args:
            source: As in `restore`, or a photo in memory.
            points_xy: As in `restore`.
            boxes_xyxy: As in `restore`.

        Raises:
            ReadError: The source is not a photo that can be read.
        """
        seconds = dict[str, float]()
        if not isinstance(source, Image):
            with _timed(seconds, "read"):
                source = read_image(source, max_pixels=self.settings.max_pixels)
        if self.settings.aligned:
            return FoundFaces(source, [], seconds)
        if points_xy is None and boxes_xyxy is None and self.settings.are_faces_searched:
            _ = self.detector  # loading it is not the time that detecting takes
        with _timed(seconds, "detect"):
            faces = self.locate(source, points_xy=points_xy, boxes_xyxy=boxes_xyxy)
        return FoundFaces(source, faces, seconds)

    def run_networks(self, found: FoundFaces, earlier: Outputs | None = None) -> Outputs:
        """Run the networks on the faces to restore.

        Args:
            found: A photo with its faces.
            earlier: Outputs for the same photo by the same model, at the same size; what is there
                is not computed again.

        Raises:
            SettingsError: `faces` means nothing for this photo.
            EngineError: The network failed.
        """
        seconds = dict(found.seconds)
        if self.settings.aligned:
            outputs = self._whole_crop(found, earlier, seconds)
        else:
            outputs = self._crops(found, earlier, seconds)
        faces = outputs.faces
        with _timed(seconds, "judge"):
            faces = self._with_reliability(faces)
        with _timed(seconds, "restore"):
            faces = self._restored(faces)
        return replace(outputs, faces=faces)

    def _crops(
        self, found: FoundFaces, earlier: Outputs | None, seconds: dict[str, float]
    ) -> Outputs:
        """The photo at output size, with the faces to restore cut out of it."""
        with _timed(seconds, "detect"):
            chosen = self._choose(found.faces, found.source)
        if chosen:
            _ = self.engine  # loading it is not the time that aligning takes
        _ = self.upscaler  # likewise
        options, source = self.settings, found.source
        cut_from = EnlargedView(source.pixels, options.upscale) if options.background else None
        with _timed(seconds, "background" if options.background else "align"):
            if earlier is None:
                canvas = self.enlarge(source.pixels, gray=source.is_gray)
            else:
                canvas = earlier.canvas
        with _timed(seconds, "align"):
            by_number = {face.number: face for face in earlier.faces} if earlier else {}
            faces = [
                by_number.get(number)
                or FaceOutput(
                    number, self.cut_out(canvas, cut_from, found.faces[number]), None, seed=number
                )
                for number in chosen
            ]
        return Outputs(found, canvas, faces, seconds, cut_from=cut_from)

    def _whole_crop(
        self, found: FoundFaces, earlier: Outputs | None, seconds: dict[str, float]
    ) -> Outputs:
        """The whole photo as one crop at the network's size, its points where crops have them."""
        size, source = self.engine.size, found.source
        with _timed(seconds, "align"):
            crop = crop_of_image(source.pixels, template_points(self.model.template, size), size)
        note = padding_note(source.size_wh, size)
        faces = earlier.faces if earlier else [FaceOutput(0, crop, None)]
        alone = replace(found, faces=[])  # the crop is the face, whatever was found in it
        return Outputs(alone, crop.pixels, faces, seconds, (note,) if note else ())

    def _choose(self, faces: Sequence[Face], image: Image) -> list[int]:
        """Numbers of the faces to restore."""
        options = self.settings
        if options.faces.startswith("track:"):
            raise SettingsError(
                f"faces is {options.faces!r}, which is for videos; expected all, largest, left, "
                "right, center, whole, numbers such as 0,2 or like:PHOTO"
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

    def _with_reliability(self, faces: Sequence[FaceOutput]) -> list[FaceOutput]:
        """The faces with how far each crop can be trusted, where that counts."""
        if not self.settings.fusion:
            return list(faces)
        return [
            face
            if face.reliability is not None
            else replace(face, reliability=self.reliability.estimate(face.crop.pixels))
            for face in faces
        ]

    def _restored(self, faces: Sequence[FaceOutput]) -> list[FaceOutput]:
        """The faces with the network's outputs, where they are needed and not yet there."""
        needed = [face for face in faces if face.output is None and self._is_needed(face)]
        restored = iter(
            restore_crops([face.crop.pixels for face in needed], self.engine) if needed else []
        )
        return [replace(face, output=next(restored)) if face in needed else face for face in faces]

    def _is_needed(self, face: FaceOutput) -> bool:
        """Whether the network has anything to do: sharp faces stay as they are."""
        options, judged = self.settings, face.reliability
        return (
            options.restore_color or not options.fusion or judged is None or not judged.is_undamaged
        )

    def compose(self, outputs: Outputs, *, once: bool = False) -> Restoration:
        """Compose the result from what the networks returned; no network runs.

        Args:
            outputs: From `run_networks`.
            once: They are not needed again, which saves the memory of one image.
        """
        options, source = self.settings, outputs.found.source
        with _timed(outputs.seconds, "paste"):
            patches = [finish_face(a, options, is_gray=source.is_gray) for a in outputs.faces]
            photo = with_pixels(source, self._pasted(outputs, patches, once=once))
        return self.describe(outputs, patches, photo)

    def _pasted(self, outputs: Outputs, patches: Sequence[Patch], *, once: bool) -> Pixels:
        """The photo with its finished faces."""
        return compose_photo(outputs, patches, self.settings, once=once)

    def describe(self, outputs: Outputs, patches: Sequence[Patch], photo: Image) -> Restoration:
        """The result of a photo that is composed already; see `gpen.description.describe`."""
        return describe(outputs, patches, photo, self.settings, self._identity)


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
