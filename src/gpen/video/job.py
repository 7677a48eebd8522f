"""The pipeline over time: read → find and track → align → restore → stabilise → paste → write.

The one place that knows the order. A video is gone through twice: first to find its faces, so that
the whole path of each is known, then to restore them, part by part. Finished steps stay in a work
folder beside the target until the target is whole (`gpen.video.work_folder`).
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..concurrency import in_background
from ..errors import GpenError, SettingsError
from ..options import missing_at
from ..pipeline import Restorer
from ..settings import Settings, VideoSettings
from ..version import VERSION
from . import frame_stages
from .analysis import Analysis, analyse
from .io.containers import plan_encoding
from .io.decode import open_video, read_frames
from .io.frames import Frame
from .io.image_sequence import is_folder_target
from .io.muxing import join_segments
from .io.pyav import av
from .io.segment_writer import Encoding, SegmentWriter
from .stabilisation.deflicker import apply
from .stabilisation.stabiliser import Stabiliser
from .track_identity import chosen_tracks, unknown_numbers
from .video_result import OnProgress, VideoResult
from .work_folder import LineLog, WorkFolder

#: Frames of a part; what a power cut costs at most. A part begins with a key frame.
PART_FRAMES = 240
#: Frames that wait between two stages, and their bytes at most.
QUEUE_DEPTH, QUEUE_BYTES = 4, 1 << 28
#: Stands for the pixels of a frame that goes over as it is.
_UNSEEN = np.zeros((0, 0, 3), np.uint8)


def partial_of(target: Path) -> Path:
    """Path of the partial result after Ctrl-C."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def _say_nothing(*_: Any) -> None:
    pass


class Job:
    """The restoration of one video."""

    def __init__(
        self,
        restorer: Restorer,
        source: Path,
        target: Path,
        video: VideoSettings,
        on_progress: OnProgress | None,
        faces_log: Path | None = None,
    ) -> None:
        settings = restorer.settings
        reasons = missing_at("video", Settings)
        for name in ("aligned", "at"):
            if getattr(settings, name):
                raise SettingsError(f"{name} {reasons[name]}")
        if settings.faces == "whole":
            raise SettingsError(f"faces=whole {reasons['at']}")
        self.restorer, self.video, self.target = restorer, video, target
        self.on_progress = on_progress or _say_nothing
        self.info = open_video(source, rate=Fraction(video.frame_rate).limit_denominator(100_000))
        self.encoding = Encoding.for_target(
            target, codec=video.codec, crf=video.crf, preset=video.preset
        )
        self._check_early()
        self.work = WorkFolder(target)
        self.faces_log = faces_log or self.work.log
        self.result = VideoResult(target, notes=list(self.info.notes))

    def _check_early(self) -> None:
        """Raise errors that would stop the work later, before the first pass."""
        settings, video = self.restorer.settings, self.video
        with closing(read_frames(self.info, start_s=video.start_s, end_s=video.end_s)) as frames:
            av_frame = next(frames).av_frame
        size_wh = av_frame.width * settings.upscale, av_frame.height * settings.upscale
        plan_encoding(self.info, self.encoding, size_wh)
        if settings.faces.startswith("like:"):
            _ = self.restorer.person

    def run(self, *, overwrite: bool) -> VideoResult:
        """Run both passes and join the parts."""
        with self.work.opened(self._description()) as dropped:
            if dropped:
                note = "an unfinished run with other settings, input or gpen was dropped"
                self.result.notes.append(note)
            with self._timed("faces"):
                found = self._find()
            try:
                with self._timed("frames"):
                    self._restore(found)
            except KeyboardInterrupt:
                self._join_what_is_done()
                raise
            self.on_progress("joining", 0, 1)
            with self._timed("joining"):
                parts = self.work.finished_parts()
                self._join(self.target, parts, partial=False, overwrite=overwrite)
            self.on_progress("joining", 1, 1)
        partial_of(self.target).unlink(missing_ok=True)
        self.work.remove()
        return self.result

    def _description(self) -> dict[str, Any]:
        """What identifies this job: input, settings and networks."""
        files = [path.stat() for path in self.info.image_files or [self.info.path]]
        engine, upscaler = self.restorer.engine, self.restorer.upscaler
        return {
            "gpen": VERSION,
            "source": str(self.info.path.resolve()),
            "size": sum(status.st_size for status in files),
            "changed_ns": max(status.st_mtime_ns for status in files),
            "files": len(files),
            "target": self.target.name,
            "model": str(self.restorer.model.path),
            "background": None if upscaler is None else str(upscaler.model.path),
            "pyav": av.__version__,
            "engine": [engine.name, engine.device, engine.precision],
            "settings": dataclasses.asdict(self.restorer.settings),
            "video": dataclasses.asdict(self.video),
        }

    def _find(self) -> Analysis:
        about = self.info.frames_between(self.video.start_s, self.video.end_s)
        self.on_progress("faces", 0, about)
        found = analyse(
            self.info,
            self.restorer.detector,
            self.video,
            LineLog(self.faces_log),
            lambda done: self.on_progress("faces", done, about),
            min_face=self.restorer.settings.min_face,
        )
        self.on_progress("faces", found.n_frames, found.n_frames)
        self.result.found = len(found.tracks.tracks)
        self.result.replaced = found.replaced
        if note := unknown_numbers(found.tracks, self.restorer.settings.faces):
            self.result.notes.append(note)
        if found.replaced:
            self.result.notes.append(
                f"{found.replaced} frames could not be decoded; each shows its neighbour"
            )
        return found

    def _restore(self, found: Analysis) -> None:
        """Make the missing parts."""
        chosen = chosen_tracks(found.tracks, self.info, self.video, self.restorer)
        self.result.frames, self.result.people = found.n_frames, len(chosen)
        self.result.faces = sum(
            1
            for index in range(found.n_frames)
            for seen in found.tracks.at(index)
            if seen.track_id in chosen
        )
        n_done = len(self.work.finished_parts())
        self.result.resumed = min(n_done * PART_FRAMES, found.n_frames)
        self.on_progress("frames", self.result.resumed, found.n_frames)
        if self.result.resumed == found.n_frames:
            return
        reach = Stabiliser(self.video.stabilise).reach
        frames = read_frames(
            self.info,
            start_s=self.video.start_s,
            end_s=self.video.end_s,
            from_index=max(0, self.result.resumed - reach),
        )
        shared: deque[Frame] = deque(maxlen=2 * reach)
        for number in range(n_done, -(-found.n_frames // PART_FRAMES)):
            part = range(number * PART_FRAMES, (number + 1) * PART_FRAMES)
            around = frame_stages.around(part, reach, frames, shared)
            works = self._works(around, part, found, chosen)
            self._make_part(number, works, found.n_frames)

    def _works(
        self, frames: Iterator[Frame], part: range, found: Analysis, chosen: set[int]
    ) -> Generator[frame_stages.Work, None, None]:
        enlarged = self.restorer.settings.enlarges
        for frame in frames:
            faces = [seen for seen in found.tracks.at(frame.index) if seen.track_id in chosen]
            touched = found.corrections is not None
            pixels = frame.pixels() if faces or touched or enlarged else _UNSEEN
            if found.corrections is not None:
                pixels = apply(pixels, found.corrections[frame.index])
            yield frame_stages.Work(frame, pixels, touched, faces, written=frame.index in part)

    def _make_part(
        self, number: int, works: Generator[frame_stages.Work, None, None], n_frames: int
    ) -> None:
        """Restore and encode one part; it appears when it is whole.

        After Ctrl-C a cut part holds the frames that were ready.
        """
        settings, engine = self.restorer.settings, self.restorer.engine
        depth = self._queue_depth
        aligned = frame_stages.align(works, restorer=self.restorer)
        with closing(in_background(aligned, depth)) as crops:
            meter = self.result.seconds
            estimator = self.restorer.reliability if settings.fusion else None
            answered = frame_stages.restore(
                crops, engine=engine, estimator=estimator, seconds=meter
            )
            with closing(in_background(answered, depth)) as outputs:
                stabiliser = Stabiliser(self.video.stabilise)
                finished = frame_stages.paste(outputs, stabiliser=stabiliser, settings=settings)
                first = next(finished)
                writer = SegmentWriter(self.work.part(number), first, self.encoding)
                try:
                    for done, frame in enumerate(chain([first], finished), 1):
                        writer.write(frame)
                        self.on_progress("frames", number * PART_FRAMES + done, n_frames)
                except KeyboardInterrupt:
                    writer.close(self.work.cut_part)
                    raise
                except BaseException:
                    writer.abandon()
                    raise
                writer.close()
        self.result.notes += [note for note in writer.notes if note not in self.result.notes]

    @property
    def _queue_depth(self) -> int:
        width, height = self.info.size_wh
        n_bytes = width * height * 3 * (2 if self.info.bits > 8 else 1)
        return int(min(QUEUE_DEPTH, max(1, QUEUE_BYTES // n_bytes)))

    def _join(self, target: Path, parts: Sequence[Path], *, partial: bool, overwrite: bool) -> None:
        video = self.video
        self.result.notes += join_segments(
            parts,
            self.info,
            target,
            start_s=video.start_s or None,
            end_s=video.end_s,
            partial=partial,
            overwrite=overwrite,
        )

    def _join_what_is_done(self) -> None:
        """After Ctrl-C: a file that plays, as far as the frames go."""
        parts = self.work.finished_parts()
        cut = self.work.cut_part
        with suppress(GpenError):  # the parts stay whatever becomes of the look at them
            if not is_folder_target(self.target) and (parts or cut.exists()):
                parts += [cut] if cut.exists() else []
                self._join(partial_of(self.target), parts, partial=True, overwrite=True)
        cut.unlink(missing_ok=True)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.result.seconds[step] = time.perf_counter() - started
