"""The upright crop in which the refiner looks at a face, and boxes that follow a turned face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import geometry
from ..types import Float64Array

#: Side of the refiner's crop, in pixels.
CROP_SIZE = 64
#: Distance of the eyes in that crop, in pixels.
EYE_DISTANCE = 16.0
#: Size (square root of the area) of an average face's box in that crop, in pixels.
BOX_SIZE = EYE_DISTANCE / 0.447


def _template() -> Float64Array:
    """The five points of an average face, at `EYE_DISTANCE`, its box in the middle of the crop."""
    points = np.array(  # the published template, in its crop of 512 px
        [[202.04, 242.88], [309.43, 242.29], [256.08, 303.96], [211.96, 366.83], [300.89, 366.34]]
    )
    points = (points - points.mean(axis=0)) * EYE_DISTANCE / (309.43 - 202.04)
    # The middle of the points lies below the middle of the box.
    template: Float64Array = points + np.array([CROP_SIZE / 2 - 0.5, CROP_SIZE / 2 + 2.5])
    template.setflags(write=False)
    return template


#: Where the five points of an upright face lie in the crop.
TEMPLATE_XY = _template()


def crop_matrix(points_xy: Float64Array) -> Float64Array:
    """`crop_from_image` of the crop that shows a face upright.

    Raises:
        AlignError: The points lie all in one place or are not finite.
    """
    return geometry.fit_similarity(points_xy, TEMPLATE_XY)


def cut_crop(image_pixels: NDArray[np.uint8], crop_from_image: Float64Array) -> NDArray[np.uint8]:
    """Cut a crop out of an image; beyond the border, its outermost pixels are repeated.

    Returns:
        (CROP_SIZE, CROP_SIZE, 3), uint8.
    """
    return geometry.warp(image_pixels, crop_from_image, (CROP_SIZE, CROP_SIZE), border="replicate")


def ellipse_box(box_xyxy: Float64Array, target_from_source: Float64Array) -> Float64Array:
    """The box around a face after a similarity transform.

    A face fills an ellipse, not the corners of its box: the box of the transformed ellipse keeps
    its size when the face is turned.

    Args:
        box_xyxy: (4,), the box in the source.
        target_from_source: 2×3.

    Returns:
        (4,), the box in the target.
    """
    middle = geometry.apply(target_from_source, (box_xyxy[:2] + box_xyxy[2:]) / 2)
    radii = (box_xyxy[2:] - box_xyxy[:2]) / 2
    reach = np.sqrt((target_from_source[:, :2] ** 2) @ (radii**2))
    return np.concatenate([middle - reach, middle + reach])
