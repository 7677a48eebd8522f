"""What the server keeps while it lives: a private folder, threads, networks, results."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import WriteError
from ..files import cache_dir
from ..settings import Settings
from .limits import Limits

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
            WriteError: There is no place for it.
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
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(self.path))  # noqa: SIM115
        return cast("BinaryIO", file)

    def remove(self) -> None:
        """Delete the folder with all it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        _lock_of(self.path).unlink(missing_ok=True)


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


class House:
    """All that requests share.

    Attributes:
        settings: What clients do not set.
        limits: What a client may ask for.
        folder: Where uploads and results lie.
        ended: All threads had ended when the house was closed.
    """

    def __init__(self, settings: Settings, limits: Limits, token: str | None) -> None:
        from .model_pool import Shelf
        from .prometheus import Load, Metrics
        from .request_queue import WorkRoom
        from .result_store import Results
        from .video_queue import Clips

        self.settings, self.limits, self.token = settings, limits, token
        self.ended = False
        self.shelf = Shelf(settings)
        self.folder = PrivateFolder()
        self.room = WorkRoom(limits.jobs, limits.queue)
        self.results = Results(self.folder.path, limits)
        self.clips = Clips(self.folder.path, limits)
        self.metrics = Metrics(
            lambda: Load(self.room.taken, len(self.results), self.clips.states())
        )

    def stop(self) -> None:
        """Begin no work any more, and tell that which runs to end."""
        self.room.stop()
        self.clips.stop()

    def close(self, *, seconds: float = 5.0) -> bool:
        """End, and leave no files behind.

        Returns:
            Whether all threads have ended in time.
        """
        self.stop()
        self.ended = self.room.join(seconds) and self.clips.join(seconds)
        self.folder.remove()
        return self.ended
