"""Handles one photo: restores it, renders previews. Runs in a thread."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from ..faces.alignment import crop_around
from ..images import transforms
from ..images.color_profiles import to_srgb
from ..images.formats import JPEG, PNG, FileFormat, find_format
from ..images.pillow import format_of_head
from ..images.tones import to_8bit
from ..images.write import encode_image
from ..result import Restoration
from ..settings import Settings
from ..types import Face, Image, Pixels
from .accepted_types import preferred
from .decode_process import Decoder
from .http_problems import HttpProblem
from .model_pool import CancellableRestorer

#: Side of a thumbnail in pixels.
THUMBNAIL_PX = 128
#: Thumbnails of one response.
THUMBNAILS = 200
#: Longer side of images that are shown, in pixels: for comparing, and before restoring.
COMPARED_PX, SHOWN_PX = 2048, 1024
_JPEG_MARK = b"\xff\xd8"
MEDIA_TYPES = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff",
    "AVIF": "image/avif", "HEIF": "image/heic", "BMP": "image/bmp",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored photo as a file.

    Attributes:
        result: What became of it.
        data: The file.
        name: What to call it.
        kind: Its format.
        is_same: It is the file that was sent, byte for byte.
    """

    result: Restoration
    data: bytes
    name: str
    kind: FileFormat
    is_same: bool

    @property
    def notes(self) -> list[str]:
        """What the user should know; nothing is lost of a file that stays the same."""
        of_reading = self.result.source.notes if self.is_same else ()
        return [note for note in self.result.notes if note not in of_reading]

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.kind.name]


def negotiate(accept: str, settings: Settings, file: BinaryIO) -> tuple[bool, Settings]:
    """What a client accepts: whether it is JSON, and the settings with the file format if not.

    Raises:
        HttpProblem: It accepts nothing that there is (406).
    """
    own = find_format(settings.format or format_of_head(file) or "") or PNG
    offers = [MEDIA_TYPES[own.name], "application/json"]
    if settings.format is None:
        offers += MEDIA_TYPES.values()
    chosen = preferred(accept, list(dict.fromkeys(offers)))
    if chosen is None:
        raise HttpProblem(
            406, f"nothing that is accepted can be sent; expected {offers[0]} or JSON"
        )
    name = next((name for name, media_type in MEDIA_TYPES.items() if media_type == chosen), None)
    if name not in (None, own.name):
        settings = settings.with_(format=name)
    return name is None, settings


def restore_photo(
    restorer: CancellableRestorer, decoder: Decoder, file: BinaryIO, name: str
) -> Restored:
    """Restore a photo and make a file of it; where nothing changed, it is the file that was sent.

    Raises:
        GpenError: See `gpen.errors`.
        HttpProblem: It is refused or took too long; see `Decoder.decode`.
    """
    settings, started = restorer.settings, time.perf_counter()
    photo = decoder.decode(
        file, restorer.check, max_pixels=settings.max_pixels, upscale=settings.upscale
    )
    read_s = time.perf_counter() - started
    result = restorer.restore(photo)
    result.seconds["read"] = read_s
    return file_of(result, file, name)


def file_of(result: Restoration, file: BinaryIO, name: str) -> Restored:
    """Make a file of a result; where nothing changed, it is the file that was sent.

    Args:
        result: The restored photo.
        file: As it was sent.
        name: What the user calls it.
    """
    settings = result.settings
    kind = find_format(settings.format or result.photo.format or "") or PNG
    file.seek(0)
    if is_same := _is_unchanged(result, file.read(len(_JPEG_MARK))):
        file.seek(0)
        data = file.read()
    else:
        data = encode_image(
            result.photo, format=settings.format, quality=settings.quality, strip=settings.strip
        )
    stem = name.rpartition(".")[0] or name
    return Restored(result, data, f"{stem}_gpen{kind.suffixes[0]}", kind, is_same=is_same)


def _is_unchanged(result: Restoration, head: bytes) -> bool:
    """Whether the file that was sent is the result already."""
    options, before = result.settings, result.source
    wanted = find_format(options.format or before.format or "")
    is_raw = before.format == JPEG.name and head != _JPEG_MARK  # a JPEG in a camera's raw file
    is_as_sent = options.quality is None and not options.strip and not is_raw
    is_of_format = wanted is not None and wanted.name == before.format
    return is_as_sent and is_of_format and np.array_equal(before.pixels, result.photo.pixels)


def faces_of(restored: Restored, *, thumbnails: bool, similarity: bool) -> list[dict[str, Any]]:
    """The faces of a restored photo, for JSON."""
    return restored_rows(restored.result, thumbnails=thumbnails, similarity=similarity)


def restored_rows(
    result: Restoration, *, thumbnails: bool = False, similarity: bool = False
) -> list[dict[str, Any]]:
    """The faces of a result, for JSON."""
    done = {face.index: face for face in result.restored}
    rows = face_rows(result.faces, result.source if thumbnails else None)
    for row in rows:
        face = done.get(row["number"])
        row["restored"] = face is not None
        row["blend"] = result.settings.blend_of(row["number"])
        row["similarity"] = round(face.similarity, 3) if face and similarity else None
    return rows


def face_rows(faces: list[Face], photo: Image | None) -> list[dict[str, Any]]:
    """Faces for JSON, with thumbnails where the photo is given."""
    pixels = None if photo is None else to_8bit(photo.pixels)
    return [
        {
            "number": number,
            **face.to_dict(),
            "size_px": round(face.size_px, 1),
            "thumbnail": (
                face_thumbnail(pixels, face) if pixels is not None and number < THUMBNAILS else None
            ),
        }
        for number, face in enumerate(faces)
    ]


def detect_faces(
    restorer: CancellableRestorer,
    decoder: Decoder,
    file: BinaryIO,
    *,
    thumbnails: bool,
    preview: bool,
) -> tuple[Image, dict[str, Any]]:
    """Find the faces of a photo.

    Returns:
        The photo, and the response without its source.

    Raises:
        GpenError: See `gpen.errors`.
        HttpProblem: As `restore_photo`.
    """
    started = time.perf_counter()
    photo = decoder.decode(file, restorer.check, max_pixels=restorer.settings.max_pixels)
    faces = restorer.locate(photo)
    shown = None
    if preview:
        shown = data_url(show(photo, fitting(photo.size_wh, SHOWN_PX)), "image/webp")
    return photo, {
        "faces": face_rows(faces, photo if thumbnails else None),
        "preview": shown,
        "seconds": round(time.perf_counter() - started, 4),
    }


def compared(restored: Restored) -> tuple[bytes, bytes]:
    """Before and after as WebP images of one size that every browser shows."""
    result = restored.result
    size_wh = fitting(result.photo.size_wh, COMPARED_PX)
    return show(result.source, size_wh), show(result.photo, size_wh)


def fitting(size_wh: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """A size of the same shape whose longer side is at most this many pixels."""
    factor = min(1.0, longer_side / max(size_wh))
    return max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor))


def show(photo: Image, size_wh: tuple[int, int]) -> bytes:
    """The photo as a WebP image in sRGB of another size."""
    pixels: Pixels = to_8bit(photo.pixels)
    small = Image(
        transforms.resize(pixels, size_wh), None, photo.is_gray, metadata=photo.metadata
    ).to_pil()
    shown = to_srgb(small, photo.metadata.icc_profile)
    if photo.alpha is not None:
        alpha = transforms.resize(to_8bit(photo.alpha), size_wh)
        shown.putalpha(PIL.Image.fromarray(alpha))
    file = io.BytesIO()
    shown.save(file, "WEBP", quality=92, method=2)
    return file.getvalue()


def face_thumbnail(pixels: Pixels, face: Face) -> str:
    """The face with some room around it, as the URL of a JPEG image."""
    cut = crop_around(to_8bit(pixels), face, THUMBNAIL_PX)
    file = io.BytesIO()
    PIL.Image.fromarray(cut).save(file, "JPEG", quality=85)
    return data_url(file.getvalue(), "image/jpeg")


def data_url(data: bytes, media_type: str) -> str:
    """The file as a URL that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def source_of(photo: Image, name: str) -> dict[str, Any]:
    """The photo that was sent, for JSON."""
    width, height = photo.size_wh
    return {"name": name, "width": width, "height": height, "format": photo.format}
