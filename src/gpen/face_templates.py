"""Face templates: where the five points of a face lie in the crops of each network.

Convention:
    points   (5, 2), (x, y): left eye, right eye, nose tip, left and right mouth corner, left and
             right as seen in the upright image; (0, 0) is the centre of the first pixel
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from .errors import SettingsError
from .types import Float64Array

#: In ArcFace's crops of 112 × 112 px (Deng et al., CVPR 2019).
ARCFACE_XY = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
    (70.7299, 92.2041),
)  # fmt: skip

#: In the crops of 150 × 150 px of dlib's face embedding, which cuts them itself by other points:
#: found with the conversion of its network (MODELS.md).
DLIB_XY = ((47.57, 46.60), (100.48, 46.60), (74.01, 76.56), (50.41, 103.02), (97.61, 103.02))


def _template(*points_xy: tuple[float, float], unit: float = 1.0) -> Float64Array:
    points = np.array(points_xy, dtype=np.float64) / unit
    points.setflags(write=False)
    return points


#: By name, in units of the crop's side. "gpen" is that of the published
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
