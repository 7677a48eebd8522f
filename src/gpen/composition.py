"""Outputs of the networks → image: finished, blended, pasted. No network runs here.

Between the networks' outputs, which take seconds, and the image, which takes milliseconds: photos,
video frames and the web server, which composes again whenever a slider moves, all go this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .blending.finish import Finish, finish_crop
from .blending.paste import Patch, blend_crop, paste_faces
from .blending.reliability_estimator import Reliability
from .faces.aligned_images import without_padding
from .images.enlarged_view import EnlargedView
from .images.tones import to_gray
from .settings import Settings
from .types import Crop, Face, Image, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class FaceOutput:
    """A face as cut out, with what the networks returned for it.

    Attributes:
        number: Of the face in a photo, of its track in a video.
        crop: The face as cut out.
        output: What the network made of it, same shape and dtype as the crop; None where it was
            not run, because the crop is undamaged.
        reliability: How far the crop can be trusted; None where that was not estimated.
        seed: Of grain: another one for each face, and in videos for each frame.
        opacity: How much of the face is there, where a track begins or ends.
    """

    number: int
    crop: Crop
    output: Pixels | None
    reliability: Reliability | None = None
    seed: int = 0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class FoundFaces:
    """A photo with its faces: what detection leaves.

    Attributes:
        source: The photo as read.
        faces: Its faces, largest first, in pixels of the source.
        seconds: Time spent by stage.
    """

    source: Image
    faces: list[Face]
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """A photo with the networks' outputs for the faces to restore: what composing needs.

    Attributes:
        found: The photo and all of its faces.
        canvas: The photo at output size.
        faces: The outputs.
        seconds: Time spent by stage.
        notes: Remarks for the user.
        cut_from: What the faces were cut from, where an upscaler made the canvas.
    """

    found: FoundFaces
    canvas: Pixels
    faces: list[FaceOutput]
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cut_from: EnlargedView | None = None


def finish_face(face_output: FaceOutput, settings: Settings, *, is_gray: bool = False) -> Patch:
    """Finish a face: fusion, what is kept of the input, grain; and its blend.

    Args:
        face_output: Of the networks.
        settings: How to finish it.
        is_gray: The photo has one channel.
    """
    output = face_output.crop.pixels if face_output.output is None else face_output.output
    output = to_gray(output) if is_gray else output
    pixels, weight = finish_crop(
        face_output.crop,
        output,
        Finish.of(settings),
        reliability=face_output.reliability if settings.fusion else None,
        seed=face_output.seed,
    )
    keep_residual = settings.fusion or settings.match_grain
    blend = settings.blend_of(face_output.number) * face_output.opacity
    return Patch(face_output.crop, pixels, weight, blend, keep_residual=keep_residual)


def compose(
    canvas: Pixels,
    patches: Sequence[Patch],
    settings: Settings,
    *,
    cut_from: EnlargedView | None = None,
    in_place: bool = False,
) -> Pixels:
    """Paste finished faces into what they were cut from.

    Args:
        canvas: RGB, (height, width, 3), uint8 or uint16.
        patches: The faces, from `finish_face`.
        settings: The mask, and whether colours are kept.
        cut_from: What they were cut from, where an upscaler made the canvas.
        in_place: Write to the canvas.

    Returns:
        An image of the same shape and dtype.
    """
    return paste_faces(
        canvas,
        patches,
        mask=settings.mask,
        match_color=settings.match_color,
        cut_from=cut_from,
        in_place=in_place,
    )


def compose_photo(
    outputs: Outputs, patches: Sequence[Patch], settings: Settings, *, once: bool = False
) -> Pixels:
    """The photo with its finished faces; an aligned photo is one crop, without a mask.

    Args:
        outputs: Of the networks.
        patches: Its faces, from `finish_face`.
        settings: How to paste them.
        once: The outputs are not needed again, so that their canvas may be written to.
    """
    source = outputs.found.source
    if settings.aligned:
        return without_padding(blend_crop(patches[0]), source.size_wh)
    if outputs.cut_from is not None:  # it shows a sharp face better than plain interpolation does
        patches = [
            patch
            for patch, face_output in zip(patches, outputs.faces, strict=True)
            if face_output.output is not None
        ]
    return compose(
        outputs.canvas,
        patches,
        settings,
        cut_from=outputs.cut_from,
        in_place=once and outputs.canvas is not source.pixels,
    )
