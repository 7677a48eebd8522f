"""Faces that the caller points at: by a box, by one point, or by all five points.

A box alone is enough: the refinement network looks into it at several sizes and every rotation, and
places the points. Where it sees nothing, the points are those of an average upright face that fills
the box.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..engines import beside_restorer
from ..errors import SettingsError
from ..face_templates import template_points
from ..models import ASSETS
from ..types import Face, Float64Array
from .detectors.boxes import faces_from_arrays
from .detectors.candidates import Candidates
from .detectors.image_pyramid import Pyramid
from .detectors.refinement_crops import BOX_SIZE, CROP_SIZE, EYE_DISTANCE, TEMPLATE_XY
from .detectors.refiner import REFINEMENT_FILE, Refiner, rotated_points
from .selection import faces_from_points

#: Sizes that a face in a box may have, in sizes of the box.
IN_BOX = np.array([0.7, 1.0, 1.4])
#: A face around a point is looked for from this size on, each time larger by this factor.
SMALLEST, FACTOR = 12.0, 1.3
#: Lowest score of the refinement network at which its points are taken.
SURE = 0.1
#: Its face may lie this far from the middle of the box, in sizes of the box, and no further.
NEAR = 0.5
#: So far the middle of the points lies below that of the box, in pixels of the network's crop.
POINTS_BELOW = float(TEMPLATE_XY[:, 1].mean()) - (CROP_SIZE - 1) / 2
_EXPECTED = "X,Y,W,H for a box, X,Y for a point on a face or ten numbers for its five points"


class PointFinder:
    """Finds the five points of faces whose place is known. One instance serves many threads."""

    def __init__(self, refiner: Refiner) -> None:
        self._refiner = refiner

    def in_boxes(
        self, image_pixels: NDArray[np.uint8], boxes_xyxy: ArrayLike
    ) -> list[tuple[Face, bool]]:
        """The faces in boxes, in their order, and whether the network saw each.

        Args:
            image_pixels: RGB, (height, width, 3), uint8.
            boxes_xyxy: (N, 4), in image pixels.

        Raises:
            SettingsError: The shape is another, a number is not finite, or a box has no area.
        """
        boxes = _checked(boxes_xyxy)
        pyramid = Pyramid(image_pixels)
        return [self._in_box(pyramid, box) for box in boxes]

    def at_point(self, image_pixels: NDArray[np.uint8], point_xy: ArrayLike) -> Face | None:
        """The surest face over a point, of any size and rotation; None where there is none."""
        point = np.asarray(point_xy, dtype=np.float64)
        largest = 1.2 * max(image_pixels.shape[:2])
        steps = max(1, int(np.ceil(np.log(largest / SMALLEST) / np.log(FACTOR))))
        halves = SMALLEST / 2 * FACTOR ** np.arange(steps)[:, None]
        found = self._surest(Pyramid(image_pixels), np.hstack([point - halves, point + halves]))
        low, high = found.boxes_xyxy[:, :2], found.boxes_xyxy[:, 2:]
        over = ((low <= point) & (point <= high)).all(axis=1) & (found.scores >= SURE)
        if not over.any():
            return None
        return _face(found, int(np.argmax(np.where(over, found.scores, -1))))

    def _in_box(self, pyramid: Pyramid, box: Float64Array) -> tuple[Face, bool]:
        middle, side = (box[:2] + box[2:]) / 2, float(np.sqrt(np.prod(box[2:] - box[:2])))
        halves = IN_BOX[:, None] * side / 2
        found = self._surest(pyramid, np.hstack([middle - halves, middle + halves]))
        middles = found.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1)
        ratios = found.sizes / side
        right = (np.hypot(*(middles - middle).T) < NEAR * side) & (ratios > 0.4) & (ratios < 2.5)
        scores = np.where(right, found.scores, 0.0)
        if scores.max() >= SURE:
            return _face(found, int(scores.argmax())), True
        usual = Candidates(box[None], np.zeros((1, 5, 2)), np.zeros(1))
        usual = replace(usual, points_xy=rotated_points(usual)[:1])
        return _face(usual, 0), False

    def _surest(self, pyramid: Pyramid, boxes_xyxy: Float64Array) -> Candidates:
        """What the network sees in boxes, each at its best rotation, after three looks."""
        count = len(boxes_xyxy)
        boxes = Candidates(boxes_xyxy, np.zeros((count, 5, 2)), np.zeros(count))
        turned = self._refiner.refine_rotated(pyramid, boxes)
        return self._refiner.refine(pyramid, self._refiner.refine(pyramid, turned))


def open_point_finder(engine: str = "auto", device: str = "auto") -> PointFinder:
    """Open the refinement network that gpen ships.

    Args:
        engine: "openvino" or "onnxruntime"; with "auto" or "torch", which are meant for the
            restorer, the fastest for the CPU runs it.
        device: A device of that engine.

    Raises:
        MissingExtraError: The engine is not installed.
        EngineError: The engine cannot run it.
    """
    engine, device = beside_restorer(engine, device)
    return PointFinder(Refiner.open(ASSETS / REFINEMENT_FILE, engine=engine, device=device))


def faces_at(finder: PointFinder, image_pixels: NDArray[np.uint8], at: str) -> list[Face]:
    """The faces that `Settings.at` names, in its order.

    Args:
        finder: Finds their points.
        image_pixels: RGB, (height, width, 3), uint8.
        at: Boxes X,Y,W,H, points X,Y and five points of ten numbers, with ; between faces.

    Raises:
        SettingsError: A part is none of these, or no face is seen over a point.
    """
    return [_face_at(finder, image_pixels, part) for part in at.split(";") if part.strip()]


def _face_at(finder: PointFinder, image_pixels: NDArray[np.uint8], part: str) -> Face:
    numbers = [float(number) for number in part.split(",")]
    if len(numbers) == 10:
        return faces_from_points(np.reshape(numbers, (5, 2)))[0]
    if len(numbers) == 4:
        x, y, width, height = numbers
        return finder.in_boxes(image_pixels, [(x, y, x + width - 1, y + height - 1)])[0][0]
    if len(numbers) != 2:
        raise SettingsError(f"at has {part.strip()!r}; expected {_EXPECTED}")
    face = finder.at_point(image_pixels, numbers)
    if face is None:
        raise SettingsError(
            f"at has {part.strip()!r}, where nothing looks like a face; expected the box of the "
            "face, X,Y,W,H"
        )
    return face


def whole_face(finder: PointFinder, image_pixels: NDArray[np.uint8]) -> Face:
    """The face of an image that is a face crop, points as in such crops where none are seen."""
    height, width = image_pixels.shape[:2]
    side = max(width, height)
    corner = np.array([(width - side) / 2, (height - side) / 2])
    usual = faces_from_points(template_points("gpen", side) + corner)[0]
    eyes = float(np.hypot(*(usual.points_xy[1] - usual.points_xy[0])))
    size = BOX_SIZE / EYE_DISTANCE * eyes
    middle = usual.points_xy.mean(axis=0) - (0, eyes * POINTS_BELOW / EYE_DISTANCE)
    face, seen = finder.in_boxes(image_pixels, [(*(middle - size / 2), *(middle + size / 2))])[0]
    return face if seen else Face(usual.box_xyxy, usual.points_xy, 0.0)


def _checked(boxes_xyxy: ArrayLike) -> Float64Array:
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    if not boxes.size:
        return np.zeros((0, 4))
    if boxes.ndim == 1:
        boxes = boxes[None]
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise SettingsError(
            f"boxes_xyxy has shape {np.shape(boxes_xyxy)}; expected (faces, 4): left, top, right, "
            "bottom"
        )
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise SettingsError(
            f"boxes_xyxy has {boxes.tolist()}; expected left < right and top < bottom, in pixels"
        )
    return boxes


def _face(found: Candidates, number: int) -> Face:
    one = found.take(np.array([number]))
    return faces_from_arrays(one.boxes_xyxy, one.points_xy, one.scores)[0]
