"""Soft masks around faces, from their five points.

Convention:
    points   (5, 2), (x, y) in crop pixels, order as in `gpen.types.Face`
    mask     float32, 0 keeps the image, 1 takes the restored face
    depth    float32, 1 in the middle of a mask, 0 on its rim, negative outside
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..settings import MaskShape
from ..types import FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

#: Eye distance : distance from the eyes to the mouth, of a face seen from the front.
EYES_TO_MOUTH = 1.157
#: Semi-axes of the eggs in eye distances, from the middle between eyes and mouth: to the side,
#: above, below. That of the head reaches the borders of the crop.
EGG = {"face": (1.75, 2.3, 1.8), "head": (2.3, 2.85, 2.0)}
#: A turned head lies on the far side of its nose; as a multiple of the nose's way off the middle.
HEAD_FROM_NOSE = -1.1
#: Share of the way from the rim of a mask to its middle over which it rises to 1.
FEATHER = {"face": 0.38, "head": 0.5, "box": 0.2}
#: Masks end at this share of the way from the middle of the crop to its border.
REACH = 0.96


def face_mask(size: int, points_xy: ArrayLike, shape: MaskShape = "face") -> FloatArray:
    """The mask of one face in its crop.

    "face" is an egg around forehead, cheeks and chin, placed by the five points and shifted towards
    the back of a turned head; "head" is a larger one whose rim is in the hair or beyond, and which
    rises over half of the way to its middle; "box" is a square with round corners. All rise softly
    from their rim and are exactly 0 along the border of the crop.

    Args:
        size: Side of the crop in pixels, at least 2.
        points_xy: (5, 2), in crop pixels.
        shape: "face", "head" or "box".

    Returns:
        (size, size) float32 in [0, 1].
    """
    mask = Mask.of_face(size, points_xy, shape)
    axis = np.arange(size, dtype=np.float32)
    return mask.rise(mask.depth(axis[None, :], axis[:, None]))


@dataclass(frozen=True, slots=True)
class Mask:
    """A soft mask as a function of the position in a crop.

    Attributes:
        size: Side of the crop in pixels.
        shape: "face" or "box".
        x: Middle of the face, in crop pixels.
        y: Likewise, half way from the eyes to the mouth.
        eye_distance: What it is, or would be if the face were seen from the front, in pixels.
    """

    size: int
    shape: MaskShape
    x: float
    y: float
    eye_distance: float

    @classmethod
    def of_face(cls, size: int, points_xy: ArrayLike, shape: MaskShape) -> Self:
        """The mask around five points, (5, 2) in crop pixels.

        Turning a head sideways brings the eyes together, nodding brings them closer to the mouth:
        the larger of the two distances tells the size of the face.
        """
        left_eye, right_eye, nose, left_mouth, right_mouth = np.asarray(points_xy, dtype=np.float64)
        eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
        eye_distance = max(
            float(np.hypot(*(right_eye - left_eye))),
            float(np.hypot(*(mouth - eyes))) / EYES_TO_MOUTH,
            size / 20,
        )
        x, y = (eyes + mouth) / 2
        off_middle = eye_distance * float(np.clip((nose[0] - x) / eye_distance, -0.6, 0.6))
        return cls(size, shape, float(x + HEAD_FROM_NOSE * off_middle), float(y), eye_distance)

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        """Crop pixels beyond which the mask is 0."""
        last = self.size - 1.0
        if self.shape == "box":
            return 0.0, 0.0, last, last
        side, above, below = self._semi_axes
        top, bottom = self.y - above, self.y + below
        return max(0.0, self.x - side), max(0.0, top), min(last, self.x + side), min(last, bottom)

    @property
    def _semi_axes(self) -> tuple[float, float, float]:
        """Of the egg, in crop pixels: to the side, above, below."""
        side, above, below = EGG[self.shape]
        unit = self.eye_distance
        return side * unit, above * unit, below * unit

    def depth(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """How deep positions lie in the mask: 1 in the middle, 0 on the rim, negative outside.

        It is 1 minus a norm, so all contours have one shape. A norm of power 8 has a square with
        round corners for its unit ball, and joins the egg's and the square's into one for both.

        Args:
            x: Crop pixels; broadcast with `y`.
            y: Likewise.

        Returns:
            float32 of the common shape.
        """
        # Not beyond the centres of the outermost pixels, so that these are 0 in small crops too.
        half = np.float32(self.size / 2 * min(REACH, 1 - 1 / self.size))
        middle = np.float32((self.size - 1) / 2)
        power = _eighth((x - middle) / half) + _eighth((y - middle) / half)
        if self.shape != "box":
            side, above, below = self._semi_axes
            right = (x - np.float32(self.x)) * np.float32(1 / side)
            down = y - np.float32(self.y)
            down *= np.where(down < 0, np.float32(1 / above), np.float32(1 / below))
            egg = np.square(right) + np.square(down)
            power += np.square(np.square(egg))
        depth: FloatArray = np.float32(1) - np.sqrt(np.sqrt(np.sqrt(power)))
        return depth

    def rise(self, depth: FloatArray) -> FloatArray:
        """From depth to mask: 0 up to the rim, then smoothly up to 1."""
        t: FloatArray = depth * np.float32(1 / FEATHER[self.shape])
        np.clip(t, 0, 1, out=t)
        slope = -2 * t
        slope += 3
        t *= t
        t *= slope
        return t


def _eighth(values: FloatArray) -> FloatArray:
    power: FloatArray = np.square(np.square(np.square(values)))
    return power
