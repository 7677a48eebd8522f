"""The vocabulary of the pipeline: images, faces, crops.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3), sRGB, full range
    points   (x, y) in pixels; (0, 0) is the centre of the top-left pixel
    boxes    (x_min, y_min, x_max, y_max) in the same coordinates
    matrix   2×3 float64; `crop_from_image` maps image points to crop points
    network  float32 RGB, NCHW, in [-1, 1]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import PIL.Image

#: uint8 or uint16, (height, width, 3), RGB.
Pixels = NDArray[np.uint8] | NDArray[np.uint16]
FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What travels with a photo beside its pixels, ready to be written back.

    Attributes:
        icc_profile: Colour profile, as stored. Pixels are in this profile, unconverted.
        exif: EXIF block with its orientation set to 1 (pixels are already upright).
        xmp: XMP packet, its face regions turned like the pixels.
        dpi: Horizontal and vertical resolution.
        iptc: IPTC-IIM records (keywords, captions), as stored.
        comment: Comment of a JPEG file.
        texts: Keyword and text of each text of a PNG file, such as a generator's parameters.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """A photo in memory, upright.

    Attributes:
        pixels: RGB, (height, width, 3), uint8 or uint16.
        alpha: (height, width), same dtype, or None where the photo has none.
        is_gray: The file holds one channel; `pixels` repeats it three times.
        format: Pillow's name of the file format ("JPEG", "PNG", …), or None for an array.
        metadata: What to write back with the result.
        path: Where it came from, or None.
        notes: What a user should know of how it was read, a sentence each.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    is_gray: bool = False
    format: str | None = None
    metadata: Metadata = field(default_factory=Metadata)
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def to_array(self) -> Pixels:
        """The photo as one array: (height, width, 3) RGB, or (…, 4) RGBA where it has alpha."""
        if self.alpha is None:
            return self.pixels
        return cast("Pixels", np.dstack([self.pixels, self.alpha]))

    def to_pil(self) -> PIL.Image.Image:
        """The photo as an 8-bit Pillow image (L, LA, RGB or RGBA), its ICC profile in `info`."""
        import PIL.Image

        array = self.to_array()
        if array.dtype == np.uint16:
            array = np.rint(array / 257).astype(np.uint8)
        if self.is_gray:
            array = array[..., 0] if self.alpha is None else array[..., [0, 3]]
        image = PIL.Image.fromarray(np.ascontiguousarray(array))
        if self.metadata.icc_profile:
            image.info["icc_profile"] = self.metadata.icc_profile
        return image


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face found in an image.

    Attributes:
        box_xyxy: Bounding box in image pixels, not clipped to the image.
        points_xy: (5, 2) float64: left eye, right eye, nose tip, left and right mouth corner,
            left and right as seen in the upright image.
        score: Confidence in [0, 1].
        damage: How damaged a restored face was found: 0 not at all, 1 down to its coarsest detail;
            None before that, and without fusion.
        change_levels: By how much it was changed, on average, in levels from 0 to 255; None where
            it was not restored.
    """

    box_xyxy: tuple[float, float, float, float]
    points_xy: Float64Array
    score: float
    damage: float | None = None
    change_levels: float | None = None

    @property
    def size_px(self) -> float:
        """Longer side of the box."""
        x_min, y_min, x_max, y_max = self.box_xyxy
        return max(x_max - x_min, y_max - y_min)

    def to_dict(self) -> dict[str, Any]:
        """The face as plain numbers, for JSON; pixels are rounded to 1/100."""
        numbers: dict[str, Any] = {
            "box_xyxy": [round(float(v), 2) for v in self.box_xyxy],
            "points_xy": [[round(float(x), 2), round(float(y), 2)] for x, y in self.points_xy],
            "score": round(float(self.score), 4),
        }
        if self.damage is not None:
            numbers["damage"] = round(self.damage, 3)
        if self.change_levels is not None:
            numbers["change_levels"] = round(self.change_levels, 2)
        return numbers


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A face cut out of an image, upright and at the size of the network.

    Attributes:
        pixels: RGB, (size, size, 3), same dtype as the image.
        crop_from_image: 2×3, maps image points to crop points.
        points_xy: (5, 2), the face's points in crop pixels.
    """

    pixels: Pixels
    crop_from_image: Float64Array
    points_xy: Float64Array

    @property
    def size(self) -> int:
        """Side of the crop in pixels."""
        return int(self.pixels.shape[0])
