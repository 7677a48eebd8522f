"""Five points of a face → 68 landmarks: jaw, brows, nose, lids, lips.

A small network runs twice on an upright square around the face: first on the square given by the
five points, then on the one given by its first output. It is coarse: the error is about 4 % of the
eye distance on sharp faces (`benchmarks/identity.py`), more on blurred ones, and it guesses what a
hand or hair hides.

Convention:
    pixels      uint8 or uint16 RGB, shape (height, width, 3)
    points      (5, 2), (x, y) in pixels, order as in `gpen.types.Face`; any rotation in the plane
    landmarks   (68, 2), (x, y) in pixels, in the order of 300-W: `JAW` from left to right, `BROWS`,
                `NOSE`, eyes, `MOUTH`, left and right as seen in the upright image
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..engines import Graph, beside_restorer, open_graph, run_in_batches
from ..errors import AlignError
from ..images import transforms
from ..images.tones import to_planes
from ..models import ASSETS
from ..types import Float64Array, Pixels

#: Indices of the parts. Eyes begin at their left corner and go clockwise over the upper lid;
#: of the mouth the first twelve are the outer rim of the lips, the others the inner one.
JAW, BROWS, NOSE = slice(0, 17), slice(17, 27), slice(27, 36)
LEFT_EYE, RIGHT_EYE, MOUTH = slice(36, 42), slice(42, 48), slice(48, 68)

_FILE = ASSETS / "gpen-landmarks68.onnx"
_SIZE = 112
#: Where the five points lie in the first square: 66 % of an FFHQ portrait, a tenth of the portrait
#: below its middle. There the network errs least on held-out faces: brows and chin are both within.
_TEMPLATE_XY: Float64Array = np.array(
    [(34.78, 33.38), (76.51, 33.46), (55.88, 57.93), (37.52, 76.95), (74.59, 76.86)]
)
#: Side of the second square, in sizes of the landmarks in the first.
_AROUND = 1.15
#: The network's landmarks lie this many pixels too far to the left: those of a mirrored image,
#: mirrored back, lie as far to the right. Vertically it shows against labels only; they agree.
_OFFSET = 0.9


class LandmarkNetwork:
    """Finds 68 landmarks of faces whose five points are known. One instance serves many threads."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def find(self, image_pixels: Pixels, points_xy: ArrayLike) -> Float64Array:
        """The landmarks of one face.

        Args:
            image_pixels: RGB, (height, width, 3), uint8 or uint16.
            points_xy: (5, 2), in image pixels.

        Returns:
            (68, 2), in image pixels; they may lie outside the image.

        Raises:
            AlignError: The points are not five, not finite, or lie all in one place.
            EngineError: The network could not run.
        """
        found: Float64Array = self.find_many(image_pixels, [points_xy])[0]
        return found

    def find_many(self, image_pixels: Pixels, points_xy: Sequence[ArrayLike]) -> Float64Array:
        """The landmarks of several faces of an image, in common batches.

        Args:
            image_pixels: RGB, (height, width, 3), uint8 or uint16.
            points_xy: The five points of each face, as in `find`.

        Returns:
            (faces, 68, 2), in image pixels.

        Raises:
            AlignError: Points are not five, not finite, or lie all in one place.
            EngineError: The network could not run.
        """
        if not len(points_xy):
            return np.zeros((0, 68, 2))
        squares = [_first_square(points) for points in points_xy]
        first = self._look(image_pixels, squares)
        squares = [_second_square(*each) for each in zip(squares, first, strict=True)]
        second = self._look(image_pixels, squares)
        return np.stack(
            [
                transforms.apply(transforms.invert(square_from_image), landmarks)
                for square_from_image, landmarks in zip(squares, second, strict=True)
            ]
        )

    def _look(self, image_pixels: Pixels, squares: Sequence[Float64Array]) -> Float64Array:
        """Landmarks in pixels of their squares, (N, 68, 2), by `square_from_image` of each."""
        crops = [transforms.warp(image_pixels, square, (_SIZE, _SIZE)) for square in squares]
        shares = run_in_batches(self._graph, to_planes(crops)).astype(np.float64)
        landmarks: Float64Array = shares * _SIZE - 0.5 + _OFFSET
        return landmarks


def open_landmarks(engine: str = "auto", device: str = "auto") -> LandmarkNetwork:
    """Open the network that gpen ships.

    Args:
        engine: "openvino" or "onnxruntime"; with "auto" or "torch", which are meant for the
            restorer, the fastest for the CPU runs it.
        device: A device of that engine.

    Raises:
        MissingExtraError: The engine is not installed.
        EngineError: The engine cannot run it.

    Example:
        >>> points_xy = [(20, 20), (40, 20), (30, 32), (22, 42), (38, 42)]
        >>> open_landmarks().find(np.zeros((64, 64, 3), np.uint8), points_xy).shape
        (68, 2)
    """
    engine, device = beside_restorer(engine, device)
    return LandmarkNetwork(open_graph(_FILE, engine=engine, device=device, keep=True))


def _first_square(points_xy: ArrayLike) -> Float64Array:
    """`square_from_image`: the face upright, its points as near as can be to the template's."""
    points = np.asarray(points_xy, dtype=np.float64)
    if points.shape != (5, 2):
        raise AlignError(f"a face has points of shape {points.shape}; expected (5, 2)")
    return transforms.fit_similarity(points, _TEMPLATE_XY)


def _second_square(first_from_image: Float64Array, landmarks_xy: Float64Array) -> Float64Array:
    """`square_from_image` of the square around landmarks in the first square, turned as that."""
    low, high = landmarks_xy.min(axis=0), landmarks_xy.max(axis=0)
    scale = _SIZE / (_AROUND * float((high - low).max()))
    left, top = (low + high) / 2 - (_SIZE / scale - 1) / 2
    second_from_first = transforms.compose(
        transforms.scaling(scale), transforms.shifting(-left, -top)
    )
    return transforms.compose(second_from_first, first_from_image)
