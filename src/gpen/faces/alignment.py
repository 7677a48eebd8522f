"""Face alignment: cuts a face out upright, at the position and size a network was trained on.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    points   (5, 2), (x, y) in pixels: left eye, right eye, nose tip, left and right mouth corner,
             left and right as seen in the upright image; (0, 0) is the centre of the first pixel
    matrix   2×3 float64; `crop_from_image` maps image points to crop points
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ..errors import AlignError
from ..face_templates import template_points
from ..images import transforms
from ..types import Crop, Face, Pixels

#: Side of the square around a face in `crop_around`, in face sizes.
SHOWN_AROUND = 1.6


def align_face(
    image_pixels: Pixels,
    face_points_xy: ArrayLike,
    *,
    size: int,
    template: str = "gpen",
) -> Crop:
    """Cut one face out of an image, upright and centred.

    The crop is the image under the similarity transform that brings the five points closest to the
    template. Where it reaches beyond the image it shows the image's mirror image.

    Args:
        image_pixels: RGB, (height, width, 3), uint8 or uint16.
        face_points_xy: (5, 2), in image pixels.
        size: Side of the crop in pixels.
        template: A name in `gpen.face_templates.TEMPLATES`.

    Returns:
        The crop, with its matrix and the points in crop pixels.

    Raises:
        AlignError: The points are not five, not finite, or lie all in one place.
        SettingsError: There is no such template.
    """
    points_xy = np.asarray(face_points_xy, dtype=np.float64)
    if points_xy.shape != (5, 2):
        raise AlignError(f"a face has points of shape {points_xy.shape}; expected (5, 2)")
    crop_from_image = transforms.fit_similarity(points_xy, template_points(template, size))
    return Crop(
        pixels=transforms.warp(image_pixels, crop_from_image, (size, size), border="reflect"),
        crop_from_image=crop_from_image,
        points_xy=transforms.apply(crop_from_image, points_xy),
    )


def crop_around(image_pixels: Pixels, face: Face, size: int) -> Pixels:
    """A square of the image, not turned, with a face and some room around it, for showing.

    Args:
        image_pixels: RGB, (height, width, 3).
        face: In image pixels.
        size: Side of the square in pixels.
    """
    x_min, y_min, x_max, y_max = face.box_xyxy
    scale = size / (SHOWN_AROUND * max(face.size_px, 1.0))
    left, top = (x_min + x_max) / 2 - size / scale / 2, (y_min + y_max) / 2 - size / scale / 2
    matrix = transforms.compose(transforms.scaling(scale), transforms.shifting(-left, -top))
    return transforms.warp(image_pixels, matrix, (size, size), border="replicate")


def on_enlarged(crop: Crop, factor: int) -> Crop:
    """The crop of an image as one of the same image enlarged by a whole factor."""
    matrix = transforms.compose(crop.crop_from_image, transforms.scaling(1 / factor))
    return replace(crop, crop_from_image=matrix)
