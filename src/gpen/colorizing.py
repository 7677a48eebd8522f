"""Colours the faces of grey photos: the photo pipeline with another network's output.

The network sees the grey face; of its output the chroma is taken, and put on the photo's luma.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .blending.paste import Patch
from .composition import FaceOutput, FoundFaces, Outputs
from .errors import SettingsError
from .faces.coloring import balanced, chroma_of, colored, has_colors, keep_luma
from .faces.restoration import restore_crops
from .images.tones import to_gray
from .options import options_of
from .pipeline import Restorer
from .result import Restoration
from .settings import COLORING_MODEL, ColorSettings, Settings
from .types import Image, Pixels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .pipeline import Source

#: What has no meaning for colours, or would undo them.
_FIXED = {"fusion": False, "restore_color": True, "upscale": 1, "background": ""}


class Colorizer(Restorer):
    """Colours faces; everything else is as in `Restorer`.

    Example:
        >>> colorizer = Colorizer(saturation=0.8)
        >>> colorizer.restore("grey.jpg").save("colour.jpg")  # doctest: +SKIP
    """

    task = "colorize"

    def __init__(self, settings: Settings | str | Path | None = None, /, **options: Any) -> None:
        """Take what `Restorer` takes, and fields of `ColorSettings`.

        Raises:
            SettingsError: An option is unknown or has a value that means nothing.
        """
        if meaningless := sorted(set(options) & set(_FIXED)):
            raise SettingsError(f"{', '.join(meaningless)} means nothing for colours: leave it out")
        colors = {name: options.pop(name) for name in options_of(ColorSettings) if name in options}
        if settings is None:
            options = {"model": COLORING_MODEL} | options
        super().__init__(settings, **options, **_FIXED)
        self.colors = ColorSettings(**colors)

    def find_faces(
        self,
        source: Source | Image,
        *,
        points_xy: ArrayLike | None = None,
        boxes_xyxy: ArrayLike | None = None,
    ) -> FoundFaces:
        """Read a photo and find its faces; it is a colour photo from here on."""
        found = super().find_faces(source, points_xy=points_xy, boxes_xyxy=boxes_xyxy)
        photo = found.source
        if photo.is_gray:  # a profile for one channel says nothing of three
            metadata = dataclasses.replace(photo.metadata, icc_profile=None)
            photo = dataclasses.replace(photo, is_gray=False, metadata=metadata)
        elif has_colors(photo.pixels):
            note = "the photo has colours already: those of its faces are made anew"
            photo = dataclasses.replace(photo, notes=(*photo.notes, note))
        return dataclasses.replace(found, source=photo)

    def _pasted(self, outputs: Outputs, patches: Sequence[Patch], *, once: bool) -> Pixels:
        """The photo with its coloured faces, and the luma that it had."""
        pixels = super()._pasted(outputs, patches, once=once)
        source = outputs.found.source.pixels
        return keep_luma(pixels, source) if pixels.shape == source.shape else pixels

    def _restored(self, faces: Sequence[FaceOutput]) -> list[FaceOutput]:
        """The faces with their new colours."""
        grays = [to_gray(face.crop.pixels) for face in faces]
        outputs = restore_crops(grays, self.engine) if grays else []
        chromas = balanced([chroma_of(output) for output in outputs])
        return [
            dataclasses.replace(face, output=colored(gray, chroma * self.colors.saturation))
            for face, gray, chroma in zip(faces, grays, chromas, strict=True)
        ]


def colorize(source: Source, **options: Any) -> Restoration:
    """Colour the faces of a photo.

    Args:
        source: As `gpen.restore` takes it.
        **options: Fields of `Settings` and `ColorSettings`.

    Raises:
        GpenError: See `gpen.errors`.

    Example:
        >>> import gpen
        >>> gpen.colorize("grey.jpg", model="GPEN-Colorization-1024")  # doctest: +SKIP
    """
    return Colorizer(**options).restore(source)
