"""The state of the server: private folder, request queue, models, results, video jobs."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import WriteError
from ..files import cache_dir
from ..settings import Settings
from .limits import Limits

if TYPE_CHECKING:
    from .video_job import Job

#: Uploads up to this many bytes stay in memory.
IN_MEMORY = 1 << 20


class PrivateFolder:
    """A folder that only this process uses; it goes when the server ends.

    A lock is held on it, so that the next server can tell one whose process was killed, and
    removes it.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        """Make the folder, and remove those of servers that were killed.

        Raises:
            WriteError: The cache folder cannot be written.
        """
        import filelock

        home = cache_dir() / "web"
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            with filelock.FileLock(home / "lock"):  # nobody removes what is not locked yet
                _remove_stale(home)
                self.path = Path(tempfile.mkdtemp(dir=home, prefix="server-"))
                self._lock = filelock.FileLock(_lock_of(self.path), thread_local=False)
                self._lock.acquire()
        except OSError as error:
            raise WriteError(
                f"cannot write to {home} ({error.strerror or error}): set GPEN_CACHE_DIR to a "
                "folder with some room",
                path=home,
            ) from error

    def spool(self) -> BinaryIO:
        """A file without a name, in memory as long as it is small."""
        return cast("BinaryIO", _SpooledFile(max_size=IN_MEMORY, dir=str(self.path)))

    def remove(self) -> None:
        """Delete the folder with all it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        _lock_of(self.path).unlink(missing_ok=True)


class _SpooledFile(tempfile.SpooledTemporaryFile[bytes]):
    """What readers of images ask a file, which Python 3.10 does not answer yet."""

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _remove_stale(home: Path) -> None:
    import filelock

    for folder in home.glob("server-*"):
        if not folder.is_dir():
            continue
        lock = filelock.FileLock(_lock_of(folder), blocking=False, thread_local=False)
        with contextlib.suppress(filelock.Timeout), lock:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)


class AppState:
    """What requests share.

    Attributes:
        settings: What clients do not set.
        limits: What a client may ask for.
        folder: Where uploads and results lie.
        ended: All threads had ended when the server was closed.
    """

    def __init__(
        self,
        settings: Settings,
        limits: Limits,
        token: str | None,
        webhook_hosts: Collection[str] = (),
    ) -> None:
        from .decode_process import Decoder
        from .idempotency import IdempotencyKeys
        from .kept_files import KeptFiles
        from .model_downloads import ModelDownloads
        from .model_pool import ModelPool
        from .people_search import PeopleSearches
        from .photo_visits import PhotoVisits
        from .prometheus import Load, Metrics
        from .request_queue import RequestQueue
        from .result_store import ResultStore
        from .video_queue import VideoQueue
        from .webhooks import Webhooks

        self.settings, self.limits, self.token = settings, limits, token
        self.ended = False
        self.model_pool = ModelPool(settings)
        self.folder = PrivateFolder()
        self.decoder = Decoder(self.folder.path, limits)
        self.request_queue = RequestQueue(limits.jobs, limits.queue)
        self.results = ResultStore(self.folder.path, limits)
        self.kept_files = KeptFiles(
            cache_dir() / "web" / "visits",
            keep_s=limits.keep_s,
            most_bytes=limits.kept_bytes,
        )
        self.downloads = ModelDownloads(settings.models_dir, self.model_pool.look_again)
        self.people = PeopleSearches()
        self.photo_visits = PhotoVisits(self.decoder, limits.memory_bytes, limits.faces)
        self.webhooks = Webhooks(webhook_hosts, token)
        self.video_queue = VideoQueue(self.folder.path, limits, self._tell)
        self.idempotency_keys = IdempotencyKeys(limits.keep_s)
        self.metrics = Metrics(
            lambda: Load(self.request_queue.taken, len(self.results), self.video_queue.states())
        )

    def _tell(self, job: Job) -> None:
        if job.webhook:
            self.webhooks.send(job.webhook, job.id, self.video_queue.to_dict(job))

    def stop(self) -> None:
        """Start no more work, and ask running work to end."""
        self.request_queue.stop()
        self.video_queue.stop()
        self.people.stop()
        self.downloads.stop()
        self.webhooks.stop()
        self.decoder.stop()

    def close(self, *, seconds: float = 5.0) -> bool:
        """End, and leave no files behind.

        Returns:
            Whether all threads have ended in time.
        """
        self.stop()
        self.ended = self.request_queue.join(seconds) and self.video_queue.join(seconds)
        self.folder.remove()
        return self.ended
