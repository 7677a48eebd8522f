"""Photos of visits in memory: decoded, with their faces and the networks' outputs.

What a setting changes is all that is done again: the network for another model or size, finishing
for fusion and what is kept of the input, pasting for masks and strengths.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..blending.patches import Patch
from ..composition import FoundFaces, Outputs, compose, compose_photo, finish_face
from ..description import with_pixels
from ..errors import SettingsError
from ..images import transforms
from ..result import Restoration
from ..settings import Settings
from ..types import Image, Pixels
from .decode_process import Decoder
from .kept_files import KeptFile
from .model_pool import CancellableRestorer, refuse_missing
from .views import Area, View, area_of, cut, cut_photo

T = TypeVar("T")
#: Results that are at hand for each photo: two, for comparing models.
_RESULTS = 2
#: What is finished or answered for so many combinations of settings.
_REMEMBERED = 4
#: Settings that decide what the network is asked, and what is made of a face before it is pasted.
_ASKED = ("upscale", "aligned", "at")
_FINISHED = ("fusion", "keep", "occlusion", "match_grain", "restore_color")
#: Settings of the file that do not touch its pixels.
_OF_FILE: dict[str, object] = {"format": None, "quality": None, "strip": False}


@dataclass(slots=True, eq=False)
class Photo:
    """One photo of a visit. Its lock is held while anything of it is made.

    Attributes:
        kept: The upload.
        found: The photo with its faces.
    """

    kept: KeptFile
    found: FoundFaces
    lock: threading.Lock = field(default_factory=threading.Lock)
    outputs: OrderedDict[Hashable, Outputs] = field(default_factory=OrderedDict)
    finished: OrderedDict[Hashable, dict[int, Patch]] = field(default_factory=OrderedDict)
    results: OrderedDict[Hashable, Pixels] = field(default_factory=OrderedDict)
    shrunk: OrderedDict[Hashable, Pixels] = field(default_factory=OrderedDict)

    @property
    def n_bytes(self) -> int:
        """Of all that is at hand, about."""
        pixels: list[Pixels | None] = [
            self.found.source.pixels,
            *self.results.values(),
            *self.shrunk.values(),
        ]
        for outputs in list(self.outputs.values()):
            pixels.append(outputs.canvas)
            for face in outputs.faces:
                pixels += [face.crop.pixels, face.output]
        for patches in list(self.finished.values()):
            pixels += [patch.pixels for patch in patches.values()]
        return sum({id(one): one.nbytes for one in pixels if one is not None}.values())


class PhotoVisits:
    """The photos that are worked on, the least recently used of them only on disk."""

    def __init__(self, decoder: Decoder, most_bytes: int, max_faces: int) -> None:
        self._decoder, self._most_bytes, self._max_faces = decoder, most_bytes, max_faces
        self._open: OrderedDict[str, Photo] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}

    def open(self, kept: KeptFile, restorer: CancellableRestorer) -> Photo:
        """Decode an upload and find its faces, unless it is at hand.

        Raises:
            ReadError: It is no photo that can be read.
        """
        photo = self._at_hand(kept.id)
        if photo is not None:
            return photo
        with self._lock:
            opening = self._opening.setdefault(kept.id, threading.Lock())
        with opening:  # several views of one photo come at once
            photo = self._at_hand(kept.id)
            if photo is None:
                with kept.path.open("rb") as file:
                    source = self._decoder.decode(
                        file, restorer.check, max_pixels=restorer.settings.max_pixels
                    )
                photo = Photo(kept, restorer.find_faces(source))
                with self._lock:
                    self._open[kept.id] = photo
                    self._opening.pop(kept.id, None)
        self._make_room()
        return photo

    def _at_hand(self, photo_id: str) -> Photo | None:
        with self._lock:
            photo = self._open.get(photo_id)
            if photo is not None:
                self._open.move_to_end(photo_id)
            return photo

    def forget(self, photo_id: str) -> None:
        with self._lock:
            self._open.pop(photo_id, None)

    def tidy(self) -> None:
        """Forget photos whose uploads are gone."""
        with self._lock:
            gone = [one.kept.id for one in self._open.values() if not one.kept.path.exists()]
        for photo_id in gone:
            self.forget(photo_id)

    def _make_room(self) -> None:
        with self._lock:
            while len(self._open) > 1 and self.n_bytes > self._most_bytes:
                self._open.popitem(last=False)

    @property
    def n_bytes(self) -> int:
        return sum(photo.n_bytes for photo in self._open.values())

    def result(self, photo: Photo, restorer: CancellableRestorer) -> Image:
        """The restored photo, composed only if it is not at hand."""
        key = _result_key(restorer)
        pixels = photo.results.get(key)
        if pixels is None:
            outputs, patches = self._finished_faces(photo, restorer)
            pixels = compose_photo(outputs, patches, restorer.settings)
            with photo.lock:
                _remember(photo.results, key, pixels, _RESULTS)
        self._make_room()
        return with_pixels(photo.found.source, pixels)

    def seen(self, photo: Photo, restorer: CancellableRestorer, view: View) -> Image:
        """A part of the restored photo at the size it is seen; no more than that is composed.

        It is the part of `result` to within the rounding of shrinking.
        """
        source, settings = photo.found.source, restorer.settings
        # An upscaler's background is no plain enlargement: faces in it are pasted at full size.
        is_whole = settings.aligned or bool(settings.background)
        if is_whole or _result_key(restorer) in photo.results:
            whole = self.result(photo, restorer)
            return cut_photo(whole, area_of(view, whole.size_wh, source.size_wh))
        outputs, patches = self._finished_faces(photo, restorer)
        height, width = outputs.canvas.shape[:2]
        area = area_of(view, (width, height), source.size_wh)
        canvas = self._shrunk(photo, outputs.canvas, area)
        pixels = compose(canvas, [_within(patch, area) for patch in patches], settings)
        alpha = cut_photo(source, area_of(view, source.size_wh, source.size_wh)).alpha
        return with_pixels(replace(source, alpha=alpha), pixels)

    def _shrunk(self, photo: Photo, canvas: Pixels, area: Area) -> Pixels:
        """What a slider that moves is composed into, again and again."""
        key = id(canvas), str(area)
        with photo.lock:
            shrunk = photo.shrunk.get(key)
            if shrunk is None:
                shrunk = cut(canvas, area)
                _remember(photo.shrunk, key, shrunk, _RESULTS)
        return shrunk

    def _finished_faces(
        self, photo: Photo, restorer: CancellableRestorer
    ) -> tuple[Outputs, list[Patch]]:
        with photo.lock:
            outputs = self._outputs(photo, restorer)
            return outputs, self._patches(photo, outputs, restorer)

    def describe(self, photo: Photo, restorer: CancellableRestorer) -> Restoration:
        """What became of the photo and of each face."""
        result = self.result(photo, restorer)
        outputs, patches = self._finished_faces(photo, restorer)
        return restorer.describe(outputs, patches, result)

    def _outputs(self, photo: Photo, restorer: CancellableRestorer) -> Outputs:
        key = _key_of(restorer)
        earlier = photo.outputs.get(key)
        self._check_count(photo, restorer)
        outputs = restorer.run_networks(
            earlier.found if earlier else self._found(photo, restorer), earlier
        )
        by_number = {face.number: face for face in earlier.faces} if earlier else {}
        by_number |= {face.number: face for face in outputs.faces}
        everything = replace(outputs, faces=list(by_number.values()))
        _remember(photo.outputs, key, everything, _REMEMBERED)
        return outputs

    def _found(self, photo: Photo, restorer: CancellableRestorer) -> FoundFaces:
        """The faces that were found, or those that the settings name."""
        if restorer.settings.aligned or restorer.settings.are_faces_searched:
            return photo.found
        return restorer.find_faces(photo.found.source)

    def _check_count(self, photo: Photo, restorer: CancellableRestorer) -> None:
        faces = photo.found.faces
        if not restorer.settings.aligned:
            refuse_missing(restorer.settings, len(faces))
        if len(faces) > self._max_faces and restorer.settings.faces == "all":
            raise SettingsError(
                f"{len(faces)} faces are to be restored, more than the limit of "
                f"{self._max_faces}; choose some by faces=0,1,2"
            )

    def _patches(
        self, photo: Photo, outputs: Outputs, restorer: CancellableRestorer
    ) -> list[Patch]:
        """The faces, finished before or now, with the blends of the settings."""
        settings, is_gray = restorer.settings, photo.found.source.is_gray
        key = _key_of(restorer), _values(settings, _FINISHED)
        finished = photo.finished.get(key, {})
        for face_output in outputs.faces:
            if face_output.number not in finished:
                finished[face_output.number] = finish_face(face_output, settings, is_gray=is_gray)
        _remember(photo.finished, key, finished, _REMEMBERED)
        return [
            replace(finished[face_output.number], blend=settings.blend_of(face_output.number))
            for face_output in outputs.faces
        ]


def _within(patch: Patch, area: Area) -> Patch:
    """A face of a photo in an area of it."""
    rows, columns, (width, height) = area
    shrink = transforms.scaling(
        width / (columns.stop - columns.start), height / (rows.stop - rows.start)
    )
    area_from_image = transforms.compose(shrink, transforms.shifting(-columns.start, -rows.start))
    crop_from_area = transforms.compose(
        patch.crop.crop_from_image, transforms.invert(area_from_image)
    )
    return replace(patch, crop=replace(patch.crop, crop_from_image=crop_from_area))


def _result_key(restorer: CancellableRestorer) -> Hashable:
    return _key_of(restorer), restorer.settings.with_(**_OF_FILE)


def _key_of(restorer: CancellableRestorer) -> Hashable:
    """What outputs depend on: the weights, and what is cut out."""
    path = restorer.model.path
    is_whole = restorer.settings.faces == "whole"
    return str(path), path.stat().st_mtime_ns, is_whole, _values(restorer.settings, _ASKED)


def _values(settings: Settings, names: tuple[str, ...]) -> Hashable:
    return tuple(getattr(settings, name) for name in names)


def _remember(memory: OrderedDict[Hashable, T], key: Hashable, value: T, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
