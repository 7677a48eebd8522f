"""The queue of video jobs, which run one after the other; addresses take turns."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import VideoSettings
from .fair_pool import FairPool
from .http_problems import RETRY_S, Cancelled, HttpProblem, problem_of, stopping
from .limits import Limits
from .model_pool import CancellableRestorer
from .video_job import ENDED, Job, Paused
from .visitors import share_of

if TYPE_CHECKING:
    from ..video.video_result import VideoResult

#: The pace of a network of 256 px before any video was restored, and the frames of one that tells
#: it; see benchmarks/video_speed.py.
_PACE_256, _TELLING = 2.5, 24
#: How often a client that waits is looked after, in seconds.
_TICK_S = 0.1


class VideoQueue:
    """The jobs of a server; one is worked on at a time."""

    def __init__(self, folder: Path, limits: Limits, on_end: Callable[[Job], None]) -> None:
        """Begin empty; `on_end` is told of each job that has ended."""
        self._folder, self._limits, self._on_end = folder, limits, on_end
        self._pool = FairPool(1, "gpen-clip")
        self._jobs: dict[str, Job] = {}
        self._left: dict[str, tuple[CancellableRestorer, VideoSettings]] = {}
        self._paces: dict[str, float] = {}
        self._futures: dict[Future[None], Job] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def new_job(self, address: str, visitor: str) -> Job:
        """A job whose video is to be uploaded; `start` it or `remove` it.

        Raises:
            HttpProblem: There are too many (429), or the server is being stopped (503).
        """
        if self._stopped:
            raise stopping()
        with self._lock:
            waiting = [job for job in self._jobs.values() if job.state not in ENDED]
            own = sum(job.address == address for job in waiting)
            if own >= share_of(self._limits.video_queue):
                raise self._full(f"{own} videos from your address wait")
            if len(waiting) >= self._limits.video_queue:
                raise self._full(f"{len(waiting)} videos wait")
            job_id = secrets.token_urlsafe(18)
            job = Job(job_id, self._folder / f"clip-{job_id}", visitor=visitor, address=address)
            job.folder.mkdir()
            self._jobs[job_id] = job
        return job

    def _full(self, what: str) -> HttpProblem:
        return HttpProblem(
            429,
            f"{what} already; try again when one is done",
            headers={"Retry-After": str(max(RETRY_S, self._soonest_s()))},
        )

    def _soonest_s(self) -> int:
        """When the video that runs is done, if that is known."""
        left = [job.eta_s or 0 for job in self._jobs.values() if job.state == "running"]
        return min(600, round(max(left, default=0)))

    def start(self, job: Job, restorer: CancellableRestorer, video: VideoSettings) -> None:
        """Put an uploaded video into the queue.

        Raises:
            HttpProblem: The server is being stopped.
        """
        job.state = "queued"
        job.gives_way = self._someone_waits
        job.pace = self._pace_of(restorer)
        self._submit(job, restorer, video)

    def _submit(self, job: Job, restorer: CancellableRestorer, video: VideoSettings) -> None:
        try:
            future = self._pool.submit(job.address, lambda: self._work(job, restorer, video))
        except RuntimeError:
            self.remove(job.id)
            raise stopping() from None
        self._futures[future] = job
        future.add_done_callback(self._finished)

    def _finished(self, future: Future[None]) -> None:
        job = self._futures.pop(future)
        if job.state in ENDED:
            self._on_end(job)

    def _work(self, job: Job, restorer: CancellableRestorer, video: VideoSettings) -> None:
        from ..video.run import restore_video

        try:
            job.begin(self._limits.video_s)
            result = restore_video(
                job.source,
                job.target,
                restorer=restorer,
                video=video,
                on_progress=job.on_progress,
                faces_log=job.faces_log,
            )
            job.finish(result)
            self._learn(restorer, result)
        except Paused:
            job.leave()
            self._left[job.id] = restorer, video
        except Cancelled:
            job.end("stopped" if self._stopped else "cancelled")
        except Exception as error:
            job.fail(problem_of(error, name=job.name))
        finally:
            if job.state in ENDED:
                job.source.unlink(missing_ok=True)
            if job.state in ENDED and job.state != "done":
                shutil.rmtree(job.folder, ignore_errors=True)

    def _someone_waits(self) -> bool:
        return any(job.state == "queued" for job in list(self._jobs.values()))

    def _pace_of(self, restorer: CancellableRestorer) -> float:
        """How many times as long frames take to be restored as to be searched for faces."""
        usual = _PACE_256 * (restorer.engine.size / 256) ** 2
        return self._paces.get(str(restorer.model.path), usual)

    def _learn(self, restorer: CancellableRestorer, result: VideoResult) -> None:
        searching_s, restoring_s = result.seconds["faces"], result.seconds["frames"]
        if result.frames >= _TELLING and not result.resumed and searching_s > 1:
            self._paces[str(restorer.model.path)] = restoring_s / searching_s

    def pause(self, job: Job) -> None:
        """Let a job stand still.

        Raises:
            HttpProblem: It neither waits nor runs.
        """
        if job.state not in ("queued", "running"):
            raise HttpProblem(409, f"the video is {job.state}; only one that runs can be paused")
        job.pause()

    def resume(self, job: Job) -> None:
        """Let a paused job go on; one that has left its place waits for its turn again.

        Raises:
            HttpProblem: It is not paused.
        """
        if job.state != "paused":
            raise HttpProblem(409, f"the video is {job.state}; only a paused one can go on")
        job.resume()
        if left := self._left.pop(job.id, None):
            self._submit(job, *left)

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            HttpProblem: There is none of that name (any more).
        """
        job = self._jobs.get(job_id)
        if job is None or job.state == "uploading":
            raise HttpProblem(
                404, "there is no such job; it was removed, or the server was stopped"
            )
        job.heard_s = time.monotonic()
        return job

    def of_visitor(self, visitor: str) -> list[Job]:
        """The jobs of a visitor, the newest first."""
        own = [job for job in self._jobs.values() if visitor and job.visitor == visitor]
        return [self.get(job.id) for job in reversed(own) if job.state != "uploading"]

    def position(self, job: Job) -> int:
        """How many are before a job."""
        if job.state != "queued":
            return 0
        queued = [self._futures.get(future) for future in self._pool.order()]
        waiting = [other for other in queued if other is not None and other.state == "queued"]
        running = sum(other.state == "running" for other in list(self._jobs.values()))
        return running + (waiting.index(job) if job in waiting else 0)

    async def ended(self, job: Job, seconds: float) -> None:
        """Wait until a job has ended, or for some time."""
        end_s = time.monotonic() + seconds
        while job.state not in ENDED and time.monotonic() < end_s:
            job.heard_s = time.monotonic()
            await asyncio.sleep(_TICK_S)

    def cancel(self, job: Job) -> None:
        """End a job that has not ended; remove one that has."""
        if job.state in ENDED:
            self.remove(job.id)
            return
        job.abandon()
        if job.state in ENDED:  # it had not begun, or has left its place
            self._left.pop(job.id, None)
            shutil.rmtree(job.folder, ignore_errors=True)

    def remove(self, job_id: str) -> None:
        """Forget a job with its files."""
        with self._lock:
            job = self._jobs.pop(job_id, None)
            self._left.pop(job_id, None)
        if job is not None:
            job.abandon()
            shutil.rmtree(job.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Remove jobs that ended long ago; end those that nobody asks for."""
        for job in list(self._jobs.values()):
            if job.is_forgotten(self._limits.unheard_s):
                job.error = HttpProblem(
                    410, f"nobody asked for the video for {self._limits.unheard_s:.0f} s"
                )
                self.cancel(job)
            if job.ended_s is not None and time.monotonic() - job.ended_s > self._limits.keep_s:
                self.remove(job.id)

    def states(self) -> Mapping[str, int]:
        """How many jobs there are in each state."""
        counts: dict[str, int] = {}
        for job in list(self._jobs.values()):
            counts[job.state] = counts.get(job.state, 0) + 1
        return counts

    def to_dict(self, job: Job) -> dict[str, Any]:
        return job.to_dict(self.position(job), self._limits.keep_s)

    def stop(self) -> None:
        """Tell all jobs to end, and say so."""
        self._stopped = True
        self._pool.stop()
        for job in list(self._jobs.values()):
            if job.state in ("queued", "uploading", "paused"):
                job.end("stopped")
            job.abandon()

    def join(self, seconds: float) -> bool:
        """Wait for the job that runs; whether it has ended in time."""
        return not wait(list(self._futures), timeout=seconds).not_done
