"""The result of restoring a photo: image, faces, timings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .images.tones import level_of
from .images.write import write_image
from .settings import Settings
from .types import Crop, Face, Image, Pixels

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, slots=True, eq=False)
class Restoration:
    """The result of restoring one photo.

    Attributes:
        photo: The result with its metadata.
        source: The photo as it was read.
        faces: Every face found, in the order of `gpen detect`, in pixels of the source.
        restored: For each restored face, its number in `faces`, its crop and the network's output.
        seconds: Time spent by stage: read, detect, align, judge, restore, paste; with an
            upscaler also background.
        notes: Remarks for the user, such as that a crop was padded; a sentence each.
    """

    photo: Image
    source: Image
    faces: list[Face]
    restored: list[RestoredFace]
    seconds: dict[str, float]
    settings: Settings = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> Pixels:
        """The result as an array: (height, width, 3) RGB, or (…, 4) where the photo has alpha."""
        return self.photo.to_array()

    def to_pil(self) -> PIL.Image.Image:
        """The result as an 8-bit Pillow image, with its colour profile in `info`."""
        return self.photo.to_pil()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result; the suffix chooses the format.

        Returns:
            The path written.

        Raises:
            OutputExistsError: The file is there and `overwrite` is false.
            WriteError: The folder cannot be made or is full, or the format cannot hold the photo.
        """
        options = self.settings
        return write_image(
            self.photo,
            Path(path),
            overwrite=overwrite,
            quality=options.quality,
            strip=options.strip,
        )


@dataclass(frozen=True, eq=False)
class RestoredFace:
    """One face before and after the network.

    Attributes:
        index: Its number in `Restoration.faces`.
        crop: The face as cut out.
        pixels: What was made of it, (size, size, 3), same dtype as the crop.
        compare: Measures `similarity`.
        damage: See `gpen.types.Face`; None without fusion.
    """

    index: int
    crop: Crop
    pixels: Pixels
    compare: Callable[[], float] = field(repr=False)
    damage: float | None = None

    @cached_property
    def similarity(self) -> float:
        """How alike the face is in the source and in the result, from 0 to 1.

        By the face embedding of `Settings.embedding`, both faces cut out by the points found in the
        source: 1 is the same image; at 0.5 the embedding draws the line between one person and
        two; see `gpen.faces.embedding.Measure`. Computed when first asked for, in about a third
        of the time that the default network takes for a face.

        Raises:
            GpenError: The embedding cannot be opened or run; see
                `gpen.faces.embedding.open_identity`.
        """
        return self.compare()

    @property
    def change_levels(self) -> float:
        """Mean absolute change of the middle of the crop, in levels from 0 to 255."""
        edge = self.crop.size // 5
        inner = slice(edge, self.crop.size - edge)
        before, after = (
            p[inner, inner].astype(np.float32) for p in (self.crop.pixels, self.pixels)
        )
        return float(np.abs(after - before).mean() / level_of(self.pixels))
