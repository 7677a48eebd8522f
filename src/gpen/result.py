"""What became of a photo: the result, the faces, the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .settings import Settings
from .types import Crop, Face, Image, Pixels
from .write import write_image

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, slots=True, eq=False)
class Restoration:
    """What became of one photo.

    Attributes:
        photo: The result with its metadata.
        source: The photo as it was read.
        faces: Every face found, in the order of `gpen detect`, in pixels of the source.
        restored: For each restored face, its number in `faces`, its crop and the network's answer.
        seconds: Time spent by stage: read, detect, align, restore, paste.
        notes: What a user should know of it, such as that a crop was padded; a sentence each.
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


@dataclass(frozen=True, slots=True, eq=False)
class RestoredFace:
    """One face before and after the network.

    Attributes:
        index: Its number in `Restoration.faces`.
        crop: The face as cut out.
        pixels: The network's answer, (size, size, 3), same dtype as the crop.
    """

    index: int
    crop: Crop
    pixels: Pixels
