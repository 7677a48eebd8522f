"""Face → crop: a face cut out upright, at the place and size that a network was trained on.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    points   (5, 2), (x, y) in pixels: left eye, right eye, nose tip, left and right mouth corner,
             left and right as seen in the upright picture; (0, 0) is the centre of the first pixel
    matrix   2×3 float64; `crop_from_image` maps image points to crop points
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from . import geometry
from .errors import AlignError, SettingsError
from .types import Crop, Face, Float64Array, Pixels

#: Side of a square that shows a face, in sizes of the face.
SHOWN_AROUND = 1.6


def _template(*points_xy: tuple[float, float], unit: float = 1.0) -> Float64Array:
    points = np.array(points_xy, dtype=np.float64) / unit
    points.setflags(write=False)
    return points


#: Where the five points lie in a crop, in units of its side. "gpen" is that of the published
#: weights. Other restorers use "ffhq_512", and other programs feed ONNX files of GPEN with it or
#: with "arcface_128".
TEMPLATES: Mapping[str, Float64Array] = MappingProxyType(
    {
        "gpen": _template(
            (202.04, 242.88),
            (309.43, 242.29),
            (256.08, 303.96),
            (211.96, 366.83),
            (300.89, 366.34),
            unit=512,
        ),
        "ffhq_512": _template(
            (0.37691676, 0.46864664),
            (0.62285697, 0.46912813),
            (0.50123859, 0.61331904),
            (0.39308822, 0.72541100),
            (0.61150205, 0.72490465),
        ),
        "arcface_128": _template(
            (0.36167656, 0.40387734),
            (0.63696719, 0.40235469),
            (0.50019687, 0.56044219),
            (0.38710391, 0.72160547),
            (0.61507734, 0.72034453),
        ),
    }
)


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
        template: A name in `TEMPLATES`.

    Returns:
        The crop, with its matrix and the points in crop pixels.

    Raises:
        AlignError: The points are not five, not finite, or lie all in one place.
        SettingsError: There is no such template.
    """
    points_xy = np.asarray(face_points_xy, dtype=np.float64)
    if points_xy.shape != (5, 2):
        raise AlignError(f"a face has points of shape {points_xy.shape}; expected (5, 2)")
    crop_from_image = geometry.fit_similarity(points_xy, template_points(template, size))
    return Crop(
        pixels=geometry.warp(image_pixels, crop_from_image, (size, size), border="reflect"),
        crop_from_image=crop_from_image,
        points_xy=geometry.apply(crop_from_image, points_xy),
    )


def cut_around(image_pixels: Pixels, face: Face, size: int) -> Pixels:
    """A square of the image, not turned, with a face and some room around it, for showing.

    Args:
        image_pixels: RGB, (height, width, 3).
        face: In image pixels.
        size: Side of the square in pixels.
    """
    x_min, y_min, x_max, y_max = face.box_xyxy
    scale = size / (SHOWN_AROUND * max(face.size_px, 1.0))
    left, top = (x_min + x_max) / 2 - size / scale / 2, (y_min + y_max) / 2 - size / scale / 2
    matrix = geometry.compose(geometry.scaling(scale), geometry.shifting(-left, -top))
    return geometry.warp(image_pixels, matrix, (size, size), border="replicate")


def template_points(template: str, size: int) -> Float64Array:
    """Where the five points of a face belong in a crop of this size, (5, 2) in pixels.

    Raises:
        SettingsError: There is no such template.
    """
    if template not in TEMPLATES:
        raise SettingsError(
            f"template is {template!r}; expected one of {', '.join(sorted(TEMPLATES))}"
        )
    return TEMPLATES[template] * size
