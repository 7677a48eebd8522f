"""Which input each result was made of, noted beside the results, and who is making one now."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import filelock

from gpen.errors import WriteError

#: The folder below the results that holds what is noted about them.
STATE = ".gpen-restored"

#: What is there in the place of a result:
#: nothing       no file
#: done          the result of this input as it is now
#: outdated      the result of this input before it changed
#: touched       the same, and somebody has changed the result since
#: another's     the result of another input
#: unknown       a file that no run has noted
#: unknown, old  the same, older than the input
State = Literal["nothing", "done", "outdated", "touched", "another's", "unknown", "unknown, old"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file is known again without reading it: size in bytes, time of its last change."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """The stamp of a file, or None where there is none."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class _Note:
    source: str
    of_source: Stamp
    of_result: Stamp


class Ledger:
    """The notes of one folder of results. One instance serves many threads.

    Lines are only ever added, under a lock, so that several commands may work on one folder; each
    sees what the others have noted. Paths are relative to the folder: it may be moved together
    with the inputs.
    """

    def __init__(self, folder: Path) -> None:
        """Take a folder, which need not exist; nothing is written before something is noted."""
        self._given, self._folder = folder, Path(os.path.realpath(folder))
        self._file = self._folder / STATE / "done.jsonl"
        self._notes: dict[str, _Note] = {}
        self._read_bytes = 0
        self._reading = threading.Lock()

    def results(self) -> dict[Path, Path]:
        """Each result that was noted, with the real path of the input that it was made of."""
        self._read_on()
        return {
            self._given / result: Path(os.path.normpath(self._folder / note.source))
            for result, note in list(self._notes.items())
        }

    def state(self, source: Path, result: Path) -> State:
        """What is there in the place of a result; see `State`."""
        self._read_on()
        now = Stamp.of(result)
        if now is None:
            return "nothing"
        note = self._notes.get(self._relative(result))
        stamp = Stamp.of(source)
        if note is None:
            is_old = stamp is not None and now.mtime_ns < stamp.mtime_ns
            return "unknown, old" if is_old else "unknown"
        if note.source != self._relative(source):
            return "another's"
        if note.of_source == stamp:
            return "done"
        return "outdated" if note.of_result == now else "touched"

    def note(self, source: Path, of_source: Stamp, result: Path) -> None:
        """Note that a result was made of an input.

        Args:
            source: The input.
            of_source: Its stamp from before it was read.
            result: What was made of it.

        Raises:
            WriteError: The folder cannot be written.
        """
        of_result = Stamp.of(result)
        if of_result is None:  # somebody has taken it away again
            return
        row = {"result": self._relative(result), "source": self._relative(source)}
        text = json.dumps(row | {"of_source": asdict(of_source), "of_result": asdict(of_result)})
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._file.with_suffix(".lock")), self._file.open("ab") as file:
                # Another run may have been killed in the middle of its line.
                start = b"\n" if file.tell() and not self._ends_whole() else b""
                file.write(start + text.encode("ascii") + b"\n")
        except OSError as error:
            reason = error.strerror or str(error)
            raise WriteError(
                f"cannot note in {self._file} what is done ({reason}): make it writable",
                path=self._file,
            ) from error

    @contextmanager
    def claim(self, result: Path, *, wait: bool) -> Iterator[bool]:
        """Be the only one who makes a result, for the length of the block.

        Args:
            result: The result.
            wait: Until another who makes it has ended, however that ends.

        Yields:
            Whether it was free.

        Raises:
            WriteError: The folder of the result cannot be made.
        """
        # Beside the results, so that commands with different folders for them meet as well.
        name = hashlib.sha256(os.fsencode(result.name)).hexdigest()[:16]
        place = result.parent / f".gpen-{name}.lock"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"cannot make {place.parent} ({error.strerror or error})", path=place.parent
            ) from error
        try:
            with _locked(place, wait=wait):
                try:
                    yield True
                finally:
                    # Who waits for the removed file sees what was noted and does nothing.
                    with contextlib.suppress(OSError):
                        place.unlink()
        except filelock.Timeout:
            yield False

    def _ends_whole(self) -> bool:
        with self._file.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _read_on(self) -> None:
        """Take in the lines added since the last time; what is no line of ours is passed over."""
        with self._reading, contextlib.suppress(FileNotFoundError), self._file.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._read_bytes += len(whole) + len(newline)
            for line in whole.splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    self._take_in(json.loads(line))

    def _take_in(self, row: dict[str, Any]) -> None:
        self._notes[row["result"]] = _Note(
            row["source"], Stamp(**row["of_source"]), Stamp(**row["of_result"])
        )

    def _relative(self, path: Path) -> str:
        real = os.path.realpath(path)
        try:
            return Path(os.path.relpath(real, self._folder)).as_posix()
        except ValueError:  # another drive of Windows
            return Path(real).as_posix()


class Ledgers:
    """The ledgers of a run: one of the folder that `-o` names, or one beside each input."""

    def __init__(self, out: Path | None) -> None:
        """Take the folder for all results, or None where they go beside the inputs."""
        self._out = out
        self._made: dict[Path, Ledger] = {}

    def of(self, result: Path) -> Ledger:
        """The ledger that a result is noted in."""
        folder = self._out if self._out is not None else result.parent
        return self._made.setdefault(folder, Ledger(folder))

    def results_beside(self, results: Iterable[Path]) -> Mapping[Path, Path]:
        """All that is noted in the ledgers of these results; see `Ledger.results`."""
        known: dict[Path, Path] = {}
        for ledger in {id(one): one for one in map(self.of, results)}.values():
            known |= ledger.results()
        return known


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock; go on without where the file system has none.

    Raises:
        filelock.Timeout: Another has it, and `wait` is false.
    """
    lock = filelock.FileLock(path, blocking=wait, thread_local=False)
    try:
        lock.acquire()
    except (NotImplementedError, OSError) as error:
        if isinstance(error, filelock.Timeout):  # which is an OSError too
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()
