"""What became of a photo and of each of its faces, in words and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from .blending.paste import Patch
from .composition import Answers, FaceAnswer
from .faces.embedding import Identity
from .images import transforms
from .result import Restoration, RestoredFace
from .settings import Settings
from .types import Face, Float64Array, Image, Pixels


def describe(
    answers: Answers,
    patches: Sequence[Patch],
    photo: Image,
    settings: Settings,
    identity: Callable[[], Identity],
) -> Restoration:
    """The result of a photo.

    Args:
        answers: Of the networks.
        patches: The finished faces, in the order of the answers.
        photo: What was composed of them.
        settings: It was made with.
        identity: Opens the face embedding, for `RestoredFace.similarity`.
    """
    source = answers.found.source
    compare = partial(_similarity, identity, source.pixels, photo.pixels)
    restored = [
        RestoredFace(
            answer.number,
            answer.crop,
            patch.pixels,
            partial(compare, _points(answers, answer)),
            answer.reliability.damage if answer.reliability and settings.fusion else None,
        )
        for answer, patch in zip(answers.faces, patches, strict=True)
    ]
    faces = _with_results(answers.found.faces, restored)
    sharp = _sharpness_note(answers.faces) if settings.fusion else ()
    notes = (*source.notes, *answers.notes, *sharp)
    return Restoration(photo, source, faces, restored, answers.seconds, settings, notes)


def with_pixels(source: Image, pixels: Pixels) -> Image:
    """The photo with other pixels, its alpha channel at their size."""
    alpha = source.alpha
    if alpha is not None and alpha.shape != pixels.shape[:2]:
        alpha = transforms.resize(alpha, (pixels.shape[1], pixels.shape[0]))
    return replace(source, pixels=pixels, alpha=alpha)


def _sharpness_note(faces: Sequence[FaceAnswer]) -> tuple[str, ...]:
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


def _points(answers: Answers, answer: FaceAnswer) -> Float64Array:
    """The five points of a face, in pixels of the source."""
    if answers.found.faces:
        return answers.found.faces[answer.number].points_xy
    crop = answer.crop
    return transforms.apply(transforms.invert(crop.crop_from_image), crop.points_xy)


def _similarity(
    identity: Callable[[], Identity], before: Pixels, after: Pixels, points_xy: Float64Array
) -> float:
    return identity().compare(before, after, points_xy)
