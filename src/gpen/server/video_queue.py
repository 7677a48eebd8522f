"""The queue of video jobs, which run one after the other."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from ..settings import VideoSettings
from .http_problems import RETRY_S, Cancelled, HttpProblem, problem_of, stopping
from .limits import Limits
from .model_pool import CancellableRestorer
from .video_job import ENDED, Job

#: How often a client that waits is looked after, in seconds.
_TICK_S = 0.1


class VideoQueue:
    """The jobs of a server; one is worked on at a time."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gpen-clip")
        self._jobs: dict[str, Job] = {}
        self._futures: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def new_job(self) -> Job:
        """A job whose video is to be uploaded; `start` it or `remove` it.

        Raises:
            HttpProblem: There are too many (429), or the server is being stopped (503).
        """
        if self._stopped:
            raise stopping()
        with self._lock:
            waiting = sum(job.state not in ENDED for job in self._jobs.values())
            if waiting >= self._limits.video_queue:
                raise HttpProblem(
                    429,
                    f"{waiting} videos wait already; try again when one is done",
                    headers={"Retry-After": str(max(RETRY_S, self._soonest_s()))},
                )
            job_id = secrets.token_urlsafe(18)
            job = Job(job_id, self._folder / f"clip-{job_id}")
            job.folder.mkdir()
            self._jobs[job_id] = job
        return job

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
        try:
            future = self._pool.submit(self._work, job, restorer, video)
        except RuntimeError:
            self.remove(job.id)
            raise stopping() from None
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)

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
            )
            job.finish(result)
        except Cancelled:
            job.end("stopped" if self._stopped else "cancelled")
        except Exception as error:
            job.fail(problem_of(error, name=job.name))
        finally:
            job.source.unlink(missing_ok=True)
            if job.state != "done":
                shutil.rmtree(job.folder, ignore_errors=True)

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
        return job

    def position(self, job: Job) -> int:
        """How many are before a job."""
        if job.state != "queued":
            return 0
        jobs = [other for other in self._jobs.values() if other.state in ("queued", "running")]
        return jobs.index(job) if job in jobs else 0

    async def ended(self, job: Job, seconds: float) -> None:
        """Wait until a job has ended, or for some time."""
        end_s = time.monotonic() + seconds
        while job.state not in ENDED and time.monotonic() < end_s:
            await asyncio.sleep(_TICK_S)

    def cancel(self, job: Job) -> None:
        """End a job that has not ended; remove one that has."""
        if job.state in ENDED:
            self.remove(job.id)
            return
        job.abandon()
        if job.state in ENDED:  # it had not begun
            shutil.rmtree(job.folder, ignore_errors=True)

    def remove(self, job_id: str) -> None:
        """Forget a job with its files."""
        with self._lock:
            job = self._jobs.pop(job_id, None)
        if job is not None:
            job.abandon()
            shutil.rmtree(job.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Remove jobs that ended long ago."""
        for job in list(self._jobs.values()):
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
        self._pool.shutdown(wait=False, cancel_futures=True)
        for job in list(self._jobs.values()):
            if job.state in ("queued", "uploading"):
                job.end("stopped")
            job.abandon()

    def join(self, seconds: float) -> bool:
        """Wait for the job that runs; whether it has ended in time."""
        return not wait(list(self._futures), timeout=seconds).not_done
