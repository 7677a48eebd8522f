"""The upright crops of the refinement network, and boxes of rotated faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...face_templates import template_points
from ...images import transforms
from ...types import Float64Array

#: Side of the refinement network's crop, in pixels.
CROP_SIZE = 64
#: Distance of the eyes in that crop, in pixels.
EYE_DISTANCE = 16.0
#: Points whose distances from their middle are smaller, in pixels, are no face.
SMALLEST_SPREAD = 1e-3
#: Neither are those of which the crop would show more image pixels than this allows in one.
SMALLEST_SCALE = 1e-4
#: Size (square root of the area) of an average face's box in that crop, in pixels.
BOX_SIZE = EYE_DISTANCE / 0.447


def _template() -> Float64Array:
    """The five points of an average face, at `EYE_DISTANCE`, its box in the middle of the crop."""
    points = template_points("gpen", 512)
    points = (points - points.mean(axis=0)) * EYE_DISTANCE / (points[1, 0] - points[0, 0])
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
    return transforms.fit_similarity(points_xy, TEMPLATE_XY)


def crop_matrices(points_xy: Float64Array) -> tuple[Float64Array, NDArray[np.bool_]]:
    """`crop_matrix` of many faces at once.

    Args:
        points_xy: (N, 5, 2).

    Returns:
        `crop_from_image`, (N, 2, 3), and which of them mean something (N,): not those of points
        that lie all in one place or are not finite.
    """
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(points_xy).all(axis=(1, 2)))
    points = np.where(finite[:, None, None], points_xy, 0.0)
    means = points.mean(axis=1)  # (N, 2)
    source = (points - means[:, None]) @ np.array([1, 1j])  # (N, 5)
    middle = TEMPLATE_XY.mean(axis=0)
    target = (TEMPLATE_XY - middle) @ np.array([1, 1j])
    power = np.square(np.abs(source)).sum(axis=1)
    sound = finite & (power > 5 * SMALLEST_SPREAD**2)
    factor = (source.conj() @ target) / np.where(sound, power, 1.0)
    sound &= np.abs(factor) > SMALLEST_SCALE
    matrices = np.empty((len(points), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = factor.real
    matrices[:, 1, 0], matrices[:, 0, 1] = factor.imag, -factor.imag
    matrices[:, :, 2] = middle - (matrices[:, :, :2] @ means[..., None])[..., 0]
    return matrices, sound


def inverses(matrices: Float64Array) -> Float64Array:
    """The inverses of similarity transforms, (N, 2, 3)."""
    turned = np.swapaxes(matrices[:, :, :2], 1, 2)  # which is the inverse, but for the scale
    square = np.square(matrices[:, :, 0]).sum(axis=1)
    linear = turned / square[:, None, None]
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)


def cut_crop(image_pixels: NDArray[np.uint8], crop_from_image: Float64Array) -> NDArray[np.uint8]:
    """Cut a crop out of an image; beyond the border, its outermost pixels are repeated.

    `Pyramid.cut` does the same for many crops of an image, nearly as smoothly and much faster.

    Returns:
        (CROP_SIZE, CROP_SIZE, 3), uint8.
    """
    return transforms.warp(
        image_pixels, crop_from_image, (CROP_SIZE, CROP_SIZE), border="replicate"
    )


def ellipse_box(box_xyxy: Float64Array, target_from_source: Float64Array) -> Float64Array:
    """The box around a face after a similarity transform.

    A face fills an ellipse, not the corners of its box: the box of the transformed ellipse keeps
    its size when the face is turned.

    Args:
        box_xyxy: (…, 4), boxes in the source.
        target_from_source: (…, 2, 3).

    Returns:
        (…, 4), the boxes in the target.
    """
    low, high = box_xyxy[..., :2, None], box_xyxy[..., 2:, None]
    linear, shift = target_from_source[..., :2], target_from_source[..., 2:]
    middle = linear @ ((low + high) / 2) + shift
    reach = np.sqrt(linear**2 @ ((high - low) / 2) ** 2)
    return np.concatenate([middle - reach, middle + reach], axis=-2)[..., 0]
