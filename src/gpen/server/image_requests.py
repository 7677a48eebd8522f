"""Handles one photo: checks its header, restores it, renders previews. Runs in a thread."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

import PIL.Image

from ..errors import ReadError
from ..faces.alignment import crop_around
from ..images import transforms
from ..images.color_profiles import to_srgb
from ..images.formats import PNG, FileFormat, find_format
from ..images.pillow import open_pil_image
from ..images.read import read_image
from ..images.tones import to_8bit
from ..images.write import encode_image
from ..result import Restoration
from ..types import Face, Image, Pixels
from .http_problems import HttpProblem
from .limits import Limits
from .model_pool import CancellableRestorer

#: Side of a thumbnail in pixels.
THUMBNAIL_PX = 128
#: Thumbnails of one response.
THUMBNAILS = 200
#: Longer side of images that are shown, in pixels: for comparing, and before restoring.
COMPARED_PX, SHOWN_PX = 2048, 1024
_MEDIA_TYPES = {
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
    """

    result: Restoration
    data: bytes
    name: str
    kind: FileFormat

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.kind.name]


def check_photo(file: BinaryIO, limits: Limits, upscale: int) -> None:
    """Look at the head of a file before its pixels are decoded.

    Raises:
        HttpProblem: It is no photo (415), or one with too many pixels (413).
    """
    try:
        width, height = open_pil_image(file).size
    except MemoryError:
        raise
    except Exception:  # decoders raise anything on damaged heads; reading it says it best
        raise _unreadable(file) from None
    finally:
        file.seek(0)
    n_pixels = width * height * upscale**2
    if n_pixels > limits.pixels:
        enlarged = f", enlarged {upscale} times" if upscale > 1 else ""
        raise HttpProblem(
            413,
            f"the photo has {width} × {height} pixels{enlarged}: {n_pixels / 1e6:.0f} million, "
            f"more than the limit of {limits.pixels / 1e6:.0f} million; send a smaller one",
        )


def _unreadable(file: BinaryIO) -> HttpProblem:
    """The refusal of a file whose head cannot be read, in the words of the reader."""
    try:
        read_image(file, max_pixels=1)
    except ReadError as error:
        return HttpProblem(415, str(error))
    return HttpProblem(415, "cannot read the photo: its head is damaged")


def restore_photo(
    restorer: CancellableRestorer, file: BinaryIO, name: str, limits: Limits
) -> Restored:
    """Restore a photo and make a file of it.

    Raises:
        GpenError: See `gpen.errors`.
        HttpProblem: As `check_photo`.
    """
    settings = restorer.settings
    check_photo(file, limits, settings.upscale)
    result = restorer.restore(file)
    data = encode_image(
        result.photo, format=settings.format, quality=settings.quality, strip=settings.strip
    )
    kind = find_format(settings.format or result.photo.format or "") or PNG
    stem = name.rpartition(".")[0] or name
    return Restored(result, data, f"{stem}_gpen{kind.suffixes[0]}", kind)


def faces_of(restored: Restored, *, thumbnails: bool, similarity: bool) -> list[dict[str, Any]]:
    """The faces of a restored photo, for JSON."""
    result = restored.result
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
                data_url(_thumbnail(pixels, face), "image/jpeg")
                if pixels is not None and number < THUMBNAILS
                else None
            ),
        }
        for number, face in enumerate(faces)
    ]


def detect_faces(
    restorer: CancellableRestorer,
    file: BinaryIO,
    limits: Limits,
    *,
    thumbnails: bool,
    preview: bool,
) -> tuple[Image, dict[str, Any]]:
    """Find the faces of a photo.

    Returns:
        The photo, and the response without its source.

    Raises:
        GpenError: See `gpen.errors`.
        HttpProblem: As `check_photo`.
    """
    check_photo(file, limits, 1)
    started = time.perf_counter()
    photo = read_image(file, max_pixels=limits.pixels)
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


def _thumbnail(pixels: Any, face: Face) -> bytes:
    """The face with some room around it, as JPEG."""
    cut = crop_around(pixels, face, THUMBNAIL_PX)
    file = io.BytesIO()
    PIL.Image.fromarray(cut).save(file, "JPEG", quality=85)
    return file.getvalue()


def data_url(data: bytes, media_type: str) -> str:
    """The file as a URL that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def source_of(photo: Image, name: str) -> dict[str, Any]:
    """The photo that was sent, for JSON."""
    width, height = photo.size_wh
    return {"name": name, "width": width, "height": height, "format": photo.format}
