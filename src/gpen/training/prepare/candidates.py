"""First phase: cuts faces out of photos and measures them, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...concurrency import in_parallel
from ...errors import AlignError, GpenError, ReadError, WriteError
from ...faces.alignment import align_face
from ...faces.detection import Detector, load_detector
from ...files import written_whole
from ...images.color_profiles import color_space, to_srgb
from ...images.read import read_image
from ...images.tones import in_depth_of
from ...types import Crop, Face, Image, Pixels
from . import measures
from .prepare_options import Options
from .work_plan import Batch, Photo, Plan

UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face that was cut out.

    Attributes:
        key: Names the face in shards: number of the photo and of the face.
        source: Name of the photo.
        face: Number of the face on it, from 0, largest first.
        size: Side of the crop in pixels.
        native: The same in pixels of the photo.
        inside: See `measures.inside_share`.
        sharpness: See `measures.sharpness`.
        turn: See `measures.turn`.
        grey: The photo has no colour.
        points_xy: Five points in pixels of the crop.
        box_xyxy: The face in pixels of the photo.
        score: Confidence of the detector.
        looks: See `measures.looks`, in hex.
        looks_mirrored: The same of the mirrored crop.
        file: Batch file that holds the encoded crop.
        place: Its first byte in it and its length.
    """

    key: str
    source: str
    face: int
    size: int
    native: float
    inside: float
    sharpness: float
    turn: float
    grey: bool
    points_xy: list[list[float]]
    box_xyxy: list[float]
    score: float
    looks: str
    looks_mirrored: str
    file: str = ""
    place: tuple[int, int] = (0, 0)

    @property
    def detail(self) -> float:
        """Amount of detail, to choose among copies; sharpness above 0.3 is partly noise."""
        colour = 0.5 if self.grey else 1.0
        return (
            colour * min(self.native, self.size) * max(0, min(self.sharpness, 0.6 - self.sharpness))
        )

    def encoded(self) -> bytes:
        """The crop as the bytes of a JPEG or PNG file.

        Raises:
            ReadError: The file that holds it is gone or cannot be read.
        """
        try:
            with Path(self.file).open("rb") as file:
                file.seek(self.place[0])
                return file.read(self.place[1])
        except OSError as error:
            raise ReadError(
                f"cannot read {self.file} ({error.strerror or error}): it was written at the start "
                "of this command; begin again",
                path=self.file,
            ) from error


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one photo.

    Attributes:
        source: Its name.
        number: Its place in the order.
        error: Why it could not be read; empty where it could.
        faces: The faces on it.
    """

    source: str
    number: int
    error: str = ""
    faces: tuple[Candidate, ...] = ()


def find_faces(plan: Plan, jobs: int) -> Iterator[int]:
    """Look at all photos, and yield how many more are done as batches come.

    Batches that an earlier run has finished are not looked at again. Leaving the generator early
    lets batches that are being worked on finish and starts no new ones.

    Raises:
        WriteError: The folder is not writable or full.
        GpenError: The detector cannot be opened.
    """
    try:
        plan.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(f"cannot write to {plan.target} ({reason})", path=plan.target) from error
    missing = []
    for batch in plan.batches():
        if batch.file.exists():
            yield len(batch.photos)
        else:
            missing.append(batch)
    if not missing:
        return
    detector = load_detector(plan.options.detector, models_dir=plan.options.models_dir)
    yield from in_parallel(
        lambda batch: _look_at(batch, detector, plan.options), missing, jobs=jobs
    )


def read_findings(batch: Batch) -> list[Finding]:
    """Read the results that `find_faces` has stored for a batch."""
    with batch.file.open("rb") as file:
        rows = json.loads(file.readline())
        start = file.tell()
    findings = []
    for row in rows:
        faces = (Candidate(**face) for face in row.pop("faces"))
        placed = tuple(
            replace(face, file=str(batch.file), place=(start + face.place[0], face.place[1]))
            for face in faces
        )
        findings.append(Finding(**row, faces=placed))
    return findings


def _look_at(batch: Batch, detector: Detector, options: Options) -> int:
    findings: list[Finding] = []
    crops: list[bytes] = []
    start = 0
    for photo in batch.photos:
        finding, encoded = _examine(photo, detector, options)
        faces = []
        for face, data in zip(finding.faces, encoded, strict=True):
            faces.append(replace(face, place=(start, len(data))))
            start += len(data)
        findings.append(replace(finding, faces=tuple(faces)))
        crops += encoded
    with written_whole(batch.file) as temporary, temporary.open("wb") as file:
        rows = [asdict(finding) for finding in findings]
        file.write(json.dumps(rows, ensure_ascii=False).encode() + b"\n")
        file.writelines(crops)
    return len(batch.photos)


def _examine(photo: Photo, detector: Detector, options: Options) -> tuple[Finding, list[bytes]]:
    """All faces of a photo and their encoded crops."""
    finding = Finding(photo.name, photo.number)
    try:
        image = read_image(photo.path, max_pixels=options.max_pixels)
        image = replace(image, pixels=_eight_bits(image.pixels), alpha=None)
        found = detector.detect(_eight_bits(image.pixels))
    except GpenError as error:
        return replace(finding, error=str(error)), []
    except MemoryError:
        return replace(finding, error="out of memory; use fewer --jobs"), []
    candidates: list[Candidate] = []
    encoded: list[bytes] = []
    for number, face in enumerate(found):
        with suppress(AlignError):  # points in one heap are no face
            crop = align_face(
                image.pixels, face.points_xy, size=options.size, template=options.template
            )
            pixels = _in_srgb(crop, image)
            candidates.append(_measure(photo, number, face, image, crop, pixels))
            encoded.append(_encode(pixels, options))
    return replace(finding, faces=tuple(candidates)), encoded


def _measure(
    photo: Photo, number: int, face: Face, image: Image, crop: Crop, pixels: UInt8Array
) -> Candidate:
    native = measures.native_side(crop.crop_from_image, crop.size)
    points = [[round(float(v), 2) for v in point] for point in crop.points_xy]
    return Candidate(
        key=f"{photo.number:08d}_{number:02d}",
        source=photo.name,
        face=number,
        size=crop.size,
        native=round(native, 1),
        inside=round(measures.inside_share(crop.crop_from_image, crop.size, image.size_wh), 4),
        sharpness=round(measures.sharpness(pixels, native), 4),
        turn=round(measures.turn(crop.points_xy), 3),
        grey=image.is_gray or bool(np.ptp(pixels, axis=2).max() <= 2),
        points_xy=points,
        box_xyxy=face.to_dict()["box_xyxy"],
        score=face.to_dict()["score"],
        looks=measures.looks(pixels).hex(),
        looks_mirrored=measures.looks(np.ascontiguousarray(pixels[:, ::-1])).hex(),
    )


def _eight_bits(pixels: Pixels) -> UInt8Array:
    return np.asarray(in_depth_of(pixels, np.uint8), dtype=np.uint8)


def _in_srgb(crop: Crop, image: Image) -> UInt8Array:
    """The crop in sRGB: AdobeRGB taken for sRGB would teach dull colours."""
    import PIL.Image

    profile = image.metadata.icc_profile
    pixels = _eight_bits(crop.pixels)
    if color_space(profile) != "RGB":
        return pixels
    return np.array(to_srgb(PIL.Image.fromarray(pixels), profile), dtype=np.uint8)


def _encode(pixels: UInt8Array, options: Options) -> bytes:
    import cv2

    settings = (
        [cv2.IMWRITE_PNG_COMPRESSION, 6]
        if options.png
        else [
            cv2.IMWRITE_JPEG_QUALITY,
            options.jpeg_quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
    )
    bgr: Any = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    encoded: Any = cv2.imencode(f".{options.suffix}", bgr, settings)[1]
    data: bytes = encoded.tobytes()
    return data
