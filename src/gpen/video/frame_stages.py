"""The stages of the image pipeline as streams of frames: align → restore → stabilise → paste.

Each is a generator over works in their order, so that they can run in parallel threads
(`gpen.concurrency.in_background`). Its results depend on the works of the part alone, never on
timing: a run that was stopped and resumed gives the same images.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from ..blending.reliability_estimator import Reliability, ReliabilityEstimator
from ..composition import FaceOutput, compose, finish_face
from ..engines import BATCH_SIZE, Engine
from ..faces.restoration import restore_crops
from ..images import transforms
from ..images.enlarged_view import EnlargedView
from ..pipeline import Restorer
from ..settings import Settings
from ..types import Crop, FloatArray, Pixels
from .io.frames import Frame, replace_pixels, whole_frame
from .stabilisation.stabiliser import Stabiliser
from .tracking.face_tracks import TrackedFace

#: Frames whose faces may share a batch, and their bytes; bound memory, not results.
FRAMES_PER_BATCH, BYTES_PER_BATCH = 8, 1 << 28


@dataclass(slots=True)
class Work:
    """A frame between the stages.

    Attributes:
        frame: The frame as decoded.
        canvas: Its image at output size, RGB, (height, width, 3), uint8 or uint16, upright.
        touched: The canvas differs from the frame even where no face is.
        faces: The faces to restore, in frame pixels.
        crops: Their crops, from the canvas.
        outputs: The outputs of the network.
        reliabilities: Reliability of each crop; empty without fusion.
        written: The frame belongs to the part; else it only holds its neighbours still.
        cut_from: What crops were cut from, where it is not the canvas.
    """

    frame: Frame
    canvas: Pixels
    touched: bool
    faces: list[TrackedFace]
    crops: list[Crop] = field(default_factory=list)
    outputs: list[Pixels] = field(default_factory=list)
    reliabilities: list[Reliability] = field(default_factory=list)
    written: bool = True
    cut_from: EnlargedView | None = None


def around(
    part: range, reach: int, frames: Iterator[Frame], shared: deque[Frame]
) -> Iterator[Frame]:
    """The frames of a part and up to `reach` more on each side.

    Args:
        part: Their numbers.
        reach: Number of frames on each side.
        frames: Where they come from, each once.
        shared: What the last part has read of them; then what the next will need again.
    """
    for frame in chain(tuple(shared), frames):
        shared.append(frame)
        yield frame
        if frame.index == part.stop + reach - 1:
            return


def align(works: Iterable[Work], *, restorer: Restorer) -> Generator[Work, None, None]:
    """Enlarge the canvas and cut its faces out."""
    settings = restorer.settings
    for work in works:
        if settings.background:
            work.cut_from = EnlargedView(work.canvas, settings.upscale)
        if settings.enlarges and (work.written or not settings.background):
            work.canvas, work.touched = restorer.enlarge(work.canvas), True
        work.crops = [
            restorer.cut_out(work.canvas, work.cut_from, seen.face) for seen in work.faces
        ]
        yield work


def restore(
    works: Iterable[Work],
    *,
    engine: Engine,
    estimator: ReliabilityEstimator | None,
    seconds: dict[str, float],
) -> Generator[Work, None, None]:
    """Restore the crops of several frames per batch; add the time to `seconds`."""
    for batch in _batches(works):
        started = time.perf_counter()
        outputs = iter(restore_crops([c.pixels for work in batch for c in work.crops], engine))
        spent = time.perf_counter() - started
        seconds["network"] = seconds.get("network", 0.0) + spent
        for work in batch:
            work.outputs = [next(outputs) for _ in work.crops]
            if estimator is not None:
                work.reliabilities = [estimator.estimate(crop.pixels) for crop in work.crops]
            yield work


def _batches(works: Iterable[Work]) -> Iterator[list[Work]]:
    """Group frames until their crops fill a batch of the network."""
    batch: list[Work] = []
    crops = n_bytes = 0
    for work in works:
        batch.append(work)
        crops += len(work.crops)
        n_bytes += work.canvas.nbytes
        if crops >= BATCH_SIZE or len(batch) == FRAMES_PER_BATCH or n_bytes >= BYTES_PER_BATCH:
            yield batch
            batch, crops, n_bytes = [], 0, 0
    if batch:
        yield batch


def paste(
    works: Iterable[Work], *, stabiliser: Stabiliser, settings: Settings
) -> Generator[Frame, None, None]:
    """Stabilise the outputs, finish them and paste them; some works wait for later ones."""
    waiting: deque[Work] = deque()
    around: deque[Work] = deque(maxlen=2 * stabiliser.reach + 1)
    for work in works:
        for seen, crop, output in zip(work.faces, work.crops, work.outputs, strict=True):
            stabiliser.push(seen.track_id, work.frame.index, crop, output)
        waiting.append(work)
        around.append(work)
        if len(waiting) > stabiliser.reach:
            yield from _pasted(waiting.popleft(), around, stabiliser, settings)
    for work in waiting:
        yield from _pasted(work, around, stabiliser, settings)


def _pasted(
    work: Work, around: Iterable[Work], stabiliser: Stabiliser, settings: Settings
) -> Iterator[Frame]:
    """The frame with its faces, if it belongs to the part."""
    if not work.written:
        return
    reliabilities = _steady_reliabilities(work, around, stabiliser.reach)
    patches = []
    for seen, crop, output, reliability in zip(
        work.faces, work.crops, work.outputs, reliabilities, strict=True
    ):
        steady = stabiliser.take(seen.track_id, work.frame.index, output)
        seed = work.frame.index * 1000 + seen.track_id  # fresh grain in every frame
        face_output = FaceOutput(seen.track_id, crop, steady, reliability, seed, seen.opacity)
        patches.append(finish_face(face_output, settings))
    pixels = compose(
        work.canvas,
        patches,
        settings,
        cut_from=work.cut_from,
        in_place=settings.enlarges,  # nobody else has what was just made
    )
    yield _as_frame(work, pixels)


def _steady_reliabilities(
    work: Work, around: Iterable[Work], reach: int
) -> list[Reliability] | list[None]:
    """Reliabilities of a frame's faces, averaged over neighbouring frames against flicker."""
    if not work.reliabilities:
        return [None] * len(work.faces)
    bands: dict[int, list[FloatArray]] = {seen.track_id: [] for seen in work.faces}
    for other in around:
        if abs(other.frame.index - work.frame.index) <= reach:
            for seen, reliability in zip(other.faces, other.reliabilities, strict=True):
                bands.get(seen.track_id, []).append(reliability.bands)
    return [Reliability(np.mean(bands[seen.track_id], axis=0)) for seen in work.faces]


def _as_frame(work: Work, pixels: Pixels) -> Frame:
    """The frame with its new pixels; samples that no crop covers stay as they were decoded."""
    if work.touched:
        return whole_frame(work.frame, pixels)
    if not work.crops:
        return work.frame
    return replace_pixels(work.frame, pixels, [_box(crop, pixels) for crop in work.crops])


def _box(crop: Crop, pixels: Pixels) -> tuple[int, int, int, int]:
    """The box of image pixels around a crop, x_min, y_min, x_max, y_max, ends excluded."""
    last = crop.size - 1
    corners = transforms.apply(
        transforms.invert(crop.crop_from_image), [(0, 0), (last, 0), (0, last), (last, last)]
    )
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)), 0, (width, height))
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, (width, height))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
