"""The work folder of a video job: finished steps, so that the same command resumes.

    .<target>.gpen/
      job.json           what is being made, from what, by which settings
      faces.jsonl        one line per frame that was searched for faces
      part-00000.part    frames of the first frames, encoded
      lock               held while a process works here

A part appears in one step, when it is whole. The folder can be deleted at any time, which costs
nothing but the work done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from ..errors import WriteError
from ..files import written_whole


class WorkFolder:
    """Finished steps of one job, kept beside its target."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.gpen")
        self.log = self.path / "faces.jsonl"

    @contextmanager
    def opened(self, job: Mapping[str, Any]) -> Iterator[bool]:
        """Hold the folder for a job; steps of another job are removed from it.

        Yields:
            Whether steps of another job were removed.

        Raises:
            WriteError: Another process makes the same target, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"cannot write beside {self.path.parent / self.path.name} "
                f"({error.strerror or error}): choose another folder with -o",
                path=self.path,
            ) from error
        with self._locked():
            yield self._take(job)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = filelock.FileLock(self.path / "lock", blocking=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise WriteError(
                f"another gpen is making {self.path.name[1:-5]}: wait for it, or choose another -o",
                path=self.path,
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _take(self, job: Mapping[str, Any]) -> bool:
        text = json.dumps(job, indent=1, sort_keys=True, default=str)
        note = self.path / "job.json"
        if note.is_file() and note.read_text(encoding="utf-8") == text:
            return False
        is_other = note.is_file()
        self.clear()
        with written_whole(note) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return is_other

    def clear(self) -> None:
        """Remove all steps."""
        for path in self.path.iterdir():
            if path.name != "lock":
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def part(self, number: int) -> Path:
        """Where the frames of a part are, or will be."""
        return self.path / f"part-{number:05}.part"

    @property
    def cut_part(self) -> Path:
        """Where the frames of a part that Ctrl-C has cut are for a moment."""
        return self.path / "cut.part"

    def finished_parts(self) -> list[Path]:
        """Parts from the first on without a gap."""
        parts: list[Path] = []
        while self.part(len(parts)).exists():
            parts.append(self.part(len(parts)))
        return parts


class LineLog:
    """A file that grows by whole lines; a last line that a power cut has torn is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mend(self) -> None:
        """Cut off what follows the last whole line."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        # A power cut may leave a block of zeros where a line was promised.
        whole = data.partition(b"\0")[0]
        whole = whole[: whole.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with written_whole(self.path) as temporary:
                temporary.write_bytes(whole)

    def lines(self) -> Iterator[str]:
        """The lines, without their ends, one by one."""
        if self.path.exists():
            with self.path.open(encoding="utf-8") as file:
                yield from (line.rstrip("\n") for line in file)

    @contextmanager
    def appending(self) -> Iterator[Any]:
        """Yields a function that appends one line.

        Raises:
            WriteError: The disk is full.
        """
        try:
            with self.path.open("a", encoding="utf-8", buffering=1 << 16) as file:
                try:
                    yield lambda line: file.write(line + "\n")
                finally:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise WriteError(
                f"cannot write {self.path} ({error.strerror or error}): free some space; the same "
                "command goes on",
                path=self.path,
            ) from error
