"""Tracks the faces of a video frame by frame: the first pass.

A detector looks at a small region around each known face, which is fast and, at one size for all,
steady. The whole frame is searched for new faces every third of a second, where the image changes
much, and where a face got lost. A new face is followed back to the frame where it appeared.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SettingsError
from ...faces.detection import Detector
from ...faces.detectors.boxes import non_max_suppression, overlaps_any
from ...images import transforms
from ...types import Face, Float64Array
from .face_tracks import Detection, FrameRecord
from .linking import build_tracks
from .scenes import CUT, SceneChangeMeter, flash_frames
from .tracklets import GATE, Tracklet, Tracklets, distance, match, middle_and_size

__all__ = ["FrameRecord", "Tracker", "build_tracks"]

#: Time between searches of the whole frame, in seconds.
SEARCH_S = 0.33
#: Time after which a face that is not seen is given up, in seconds.
PATIENCE_S = 0.5
#: Side of a region, in sizes of its face and in pixels. At 80 px, the detector of gpen needs one
#: level of its pyramid only, and shows its refinement network a face of the size it was trained on.
REGION, REGION_PX = 2.2, 80
#: Searching so many pixels of a frame costs as much as one region: where many faces are in a small
#: frame, the whole of it is searched instead.
REGION_WORTH = 110_000
#: What lies farther from the middle of a region may be cut off by its border; in sides of it.
INNER = 0.3
#: Larger frames are looked at shrunk.
MOST_PIXELS = 3_200_000
SAME_FACE = 0.4


class Tracker:
    """Finds and follows faces; give it every frame, in order.

    The state follows from the records: after `replay` of a log, and `remember` of the
    `frames_back` newest frames in it, `look` goes on as if there had been no break.

    Example:
        >>> from gpen.faces.detection import load_detector
        >>> tracker = Tracker(load_detector(), fps=25)
        >>> records = [tracker.look(n, np.zeros((90, 160, 3), np.uint8)) for n in range(3)]
        >>> build_tracks(records, fps=25).tracks
        []
    """

    def __init__(self, detector: Detector, *, fps: float = 25.0) -> None:
        """Follow what `detector` finds.

        Args:
            detector: Searches whole frames and regions.
            fps: Frames per second, the mean where it varies.

        Raises:
            SettingsError: fps is not above 0.
        """
        if not fps > 0:
            raise SettingsError(f"fps is {fps}; expected more than 0")
        self._detector = detector
        self._search_every = max(1, round(SEARCH_S * fps))
        memory = flash_frames(fps)
        #: How many of the newest frames `remember` needs after a replay.
        self.frames_back = max(memory, self._search_every)
        self._scenes = SceneChangeMeter(memory)
        self._tracklets = Tracklets(round(PATIENCE_S * fps))
        self._records: deque[FrameRecord] = deque(maxlen=self.frames_back)
        self._images: deque[tuple[int, NDArray[np.uint8], float]] = deque(maxlen=self.frames_back)
        self._searched: int | None = None

    def replay(self, records: Iterable[FrameRecord]) -> int:
        """Take records instead of frames.

        Returns:
            Number of the frame that `look` expects next, 0 where there was no record.
        """
        next_index = 0
        for record in records:
            self._take(record)
            next_index = record.index + 1
        return next_index

    def remember(self, index: int, pixels: NDArray[np.uint8], *, scale: float = 1.0) -> None:
        """Show a frame whose record was replayed; see `look`."""
        image, scale = _shrunk(pixels, scale)
        self._scenes.see(image)
        self._images.append((index, image, scale))

    def look(self, index: int, pixels: NDArray[np.uint8], *, scale: float = 1.0) -> FrameRecord:
        """Find the faces of the next frame.

        Args:
            index: Number of the frame; each is one more than the one before.
            pixels: uint8 RGB (H, W, 3), upright. Kept for a while, not copied: do not write to it.
            scale: Width of `pixels` against the frame's: records are in frame pixels.

        Raises:
            EngineError: The detector failed.
        """
        image, scale = _shrunk(pixels, scale)
        changes = self._scenes.see(image)
        tracklets = self._tracklets.living
        crowded = len(tracklets) * REGION_WORTH > image.shape[0] * image.shape[1]
        found = self._everywhere(image, scale) if crowded else []
        faces = self._known(index, image, scale, found)
        matched = match(tracklets, faces, index)
        searched = crowded or self._must_search(index, changes)
        searched = searched or self._tracklets.lost(
            index, {tracklets[t].number for t in matched.values()}
        )
        if searched:
            found = found if crowded else self._everywhere(image, scale)
            known = [faces[f] for f in matched]
            faces = known + self._new(image, scale, found, known)
            matched = match(tracklets, faces, index)
        self._images.append((index, image, scale))
        record = self._record(index, changes, searched, faces, matched)
        self._take(record)
        return record

    def _take(self, record: FrameRecord) -> None:
        self._tracklets.take(record)
        self._records.append(record)
        if record.searched:
            self._searched = record.index

    def _must_search(self, index: int, changes: Sequence[float]) -> bool:
        if self._searched is None or index - self._searched >= self._search_every:
            return True
        return bool(changes) and changes[0] >= CUT

    def _near(
        self, image: NDArray[np.uint8], scale: float, middle_xy: Float64Array, size: float
    ) -> list[Face]:
        """The faces in the middle of a region, in frame pixels."""
        zoom = REGION_PX / (REGION * size)
        corner = middle_xy - REGION * size / 2
        region_from_frame = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]]])
        frame_from_image = transforms.scaling(1 / scale)
        matrix = transforms.compose(region_from_frame, frame_from_image)
        region: Any = transforms.warp(image, matrix, (REGION_PX, REGION_PX), border="replicate")
        found = self._detector.detect(region)
        frame_from_region = transforms.invert(region_from_frame)
        faces = [_moved(face, frame_from_region) for face in found]
        reach = INNER * REGION * size
        return [
            f for f in faces if np.abs(middle_and_size(f.box_xyxy)[0] - middle_xy).max() <= reach
        ]

    def _everywhere(self, image: NDArray[np.uint8], scale: float) -> list[Face]:
        """The faces of the whole frame, in frame pixels."""
        frame_from_image = transforms.scaling(1 / scale)
        return [_moved(face, frame_from_image) for face in self._detector.detect(image)]

    def _known(
        self, index: int, image: NDArray[np.uint8], scale: float, found: Sequence[Face]
    ) -> list[Face]:
        """Faces where tracklets expect them, and faces in the regions of the other tracklets."""
        tracklets = self._tracklets.living
        matched = match(tracklets, found, index)
        faces = [found[f] for f in matched]
        for t, tracklet in enumerate(tracklets):
            if t not in matched.values():
                faces += self._near(image, scale, tracklet.expected_xy(index), tracklet.size)
        return _distinct(faces)

    def _new(
        self,
        image: NDArray[np.uint8],
        scale: float,
        found: Sequence[Face],
        known: Sequence[Face],
    ) -> list[Face]:
        """Of the faces of the whole frame the unknown ones that are also seen in their region."""
        new: list[Face] = []
        for face in found:
            if _among(face, [*known, *new]):
                continue
            again = self._nearest(image, scale, *middle_and_size(face.box_xyxy))
            if again is not None and not _among(again, [*known, *new]):
                new.append(again)
        return new

    def _nearest(
        self, image: NDArray[np.uint8], scale: float, middle_xy: Float64Array, size: float
    ) -> Face | None:
        """The face nearest to a point, if there is one."""
        faces = self._near(image, scale, middle_xy, size)
        away = [distance(middle_xy, size, face) for face in faces]
        return faces[int(np.argmin(away))] if away and min(away) < GATE else None

    def _record(
        self,
        index: int,
        changes: tuple[float, ...],
        searched: bool,
        faces: Sequence[Face],
        matched: dict[int, int],
    ) -> FrameRecord:
        """Number the faces; follow new ones back."""
        seen: list[tuple[int, Detection]] = []
        number = self._tracklets.next_number
        for f, face in enumerate(faces):
            detection = Detection(index, face.box_xyxy, face.points_xy, face.score)
            if f in matched:
                seen.append((self._tracklets.living[matched[f]].number, detection))
                continue
            if not bool(changes) or changes[0] < CUT:
                seen += [(number, earlier) for earlier in self._back(index, face)]
            seen.append((number, detection))
            number += 1
        return FrameRecord.of(index, changes, searched, seen)

    def _back(self, index: int, face: Face) -> list[Detection]:
        """Detections of a new face in the frames before, since the whole frame was searched."""
        middle, size = middle_and_size(face.box_xyxy)
        tracklet = Tracklet(0, middle, size, np.zeros(2), index, index)
        records = {record.index: record for record in self._records}
        found: list[Detection] = []
        for earlier, image, scale in reversed(self._images):
            if earlier == index:
                continue
            record = records.get(earlier)
            if record is None:
                break
            expected = tracklet.expected_xy(earlier)
            near = self._nearest(image, scale, expected, tracklet.size)
            others = [s.face for _, s in record.seen if s.index == earlier]
            if near is None or _among(near, others):
                break
            found.append(Detection(earlier, near.box_xyxy, near.points_xy, near.score))
            tracklet.follow(found[-1])
            if record.changes and record.changes[0] >= CUT:
                break
        return found[::-1]


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """One of each: of faces that overlap, the surest, in the order given."""
    if len(faces) < 2:
        return list(faces)
    boxes = np.array([face.box_xyxy for face in faces])
    scores = np.array([face.score for face in faces])
    return [faces[k] for k in sorted(non_max_suppression(boxes, scores, SAME_FACE))]


def _among(face: Face, others: Sequence[Face]) -> bool:
    """Whether one of the others is the same face."""
    if not others:
        return False
    boxes = np.array([other.box_xyxy for other in others])
    return bool(overlaps_any(np.array([face.box_xyxy]), boxes, SAME_FACE)[0])


def _moved(face: Face, matrix: Float64Array) -> Face:
    """A face after its image was scaled and shifted."""
    (x0, y0), (x1, y1) = transforms.apply(matrix, np.array(face.box_xyxy).reshape(2, 2))
    points = transforms.apply(matrix, face.points_xy)
    return Face((float(x0), float(y0), float(x1), float(y1)), points, face.score)


def _shrunk(pixels: NDArray[np.uint8], scale: float) -> tuple[NDArray[np.uint8], float]:
    """A frame that is cheap to keep and to search, and its width against the frame's."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, math.sqrt(MOST_PIXELS / (height * width)))
    if shrink == 1.0:
        return pixels, scale
    small_wh = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return transforms.resize(pixels, small_wh), scale * small_wh[0] / width
