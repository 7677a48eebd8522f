"""What became of a photo and of each of its faces, in words and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from .blending.paste import Patch
from .composition import FaceOutput, Outputs
from .faces.embedding import Identity
from .images import transforms
from .result import Restoration, RestoredFace
from .settings import Settings
from .types import Face, Float64Array, Image, Pixels


def describe(
    outputs: Outputs,
    patches: Sequence[Patch],
    photo: Image,
    settings: Settings,
    identity: Callable[[], Identity],
) -> Restoration:
    """The result of a photo.

    Args:
        outputs: Of the networks.
        patches: The finished faces, in the order of the outputs.
        photo: What was composed of them.
        settings: It was made with.
        identity: Opens the face embedding, for `RestoredFace.similarity`.
    """
    source = outputs.found.source
    compare = partial(_similarity, identity, source.pixels, photo.pixels)
    restored = [
        RestoredFace(
            face_output.number,
            face_output.crop,
            patch.pixels,
            partial(compare, _points(outputs, face_output)),
            face_output.reliability.damage if face_output.reliability and settings.fusion else None,
        )
        for face_output, patch in zip(outputs.faces, patches, strict=True)
    ]
    faces = _with_results(outputs.found.faces, restored)
    sharp = _sharpness_note(outputs.faces) if settings.fusion else ()
    notes = (*source.notes, *outputs.notes, *sharp)
    return Restoration(photo, source, faces, restored, outputs.seconds, settings, notes)


def with_pixels(source: Image, pixels: Pixels) -> Image:
    """The photo with other pixels, its alpha channel at their size."""
    alpha = source.alpha
    if alpha is not None and alpha.shape != pixels.shape[:2]:
        alpha = transforms.resize(alpha, (pixels.shape[1], pixels.shape[0]))
    return replace(source, pixels=pixels, alpha=alpha)


def _sharpness_note(faces: Sequence[FaceOutput]) -> tuple[str, ...]:
    """A note for users who see no change."""
    sharp = sum(face.reliability is not None and face.reliability.is_undamaged for face in faces)
    if not sharp:
        return ()
    if len(faces) == 1:
        return ("already sharp, left as it was",)
    return (f"{sharp} of {len(faces)} faces already sharp, left as they were",)


def _with_results(faces: Sequence[Face], restored: Sequence[RestoredFace]) -> list[Face]:
    """The faces, with damage and change filled in."""
    described = list(faces)
    for one in restored:
        if one.index < len(described):  # an aligned photo has a crop, and no face was looked for
            described[one.index] = replace(
                described[one.index], damage=one.damage, change_levels=one.change_levels
            )
    return described


def _points(outputs: Outputs, face_output: FaceOutput) -> Float64Array:
    """The five points of a face, in pixels of the source."""
    if outputs.found.faces:
        return outputs.found.faces[face_output.number].points_xy
    crop = face_output.crop
    return transforms.apply(transforms.invert(crop.crop_from_image), crop.points_xy)


def _similarity(
    identity: Callable[[], Identity], before: Pixels, after: Pixels, points_xy: Float64Array
) -> float:
    return identity().compare(before, after, points_xy)
