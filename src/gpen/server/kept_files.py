"""Uploads that are kept for a visit, over a restart of the server too.

Each lies in a folder under a long random name, its address to whoever has it. It is removed when it
was not used for some time, by whichever server of the same cache folder looks next.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import WriteError
from .http_problems import HttpProblem

Kind = Literal["photo", "clip"]
_NOTE = "about.json"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """An upload.

    Attributes:
        id: A long random name.
        kind: What it is.
        name: What the user calls it.
        folder: Where it is, and what is made of it.
    """

    id: str
    kind: Kind
    name: str
    folder: Path

    @property
    def path(self) -> Path:
        """The file as it was sent."""
        return self.folder / "source"


class KeptFiles:
    """The uploads of a folder."""

    def __init__(self, folder: Path, *, keep_s: float, most_bytes: int) -> None:
        """Keep uploads.

        Args:
            folder: Where; made when the first upload comes.
            keep_s: For how long after the last use.
            most_bytes: All together; what was used least recently goes first.
        """
        self._folder, self._keep_s, self._most_bytes = folder, keep_s, most_bytes

    def begin(self, kind: Kind) -> KeptFile:
        """A place for an upload; `keep` or `remove` it.

        Raises:
            WriteError: The folder cannot be made.
        """
        file_id = secrets.token_urlsafe(18)
        kept = KeptFile(file_id, kind, "", self._folder / file_id)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kept.folder.mkdir(mode=0o700)
        except OSError as error:
            raise WriteError(
                f"cannot write to {self._folder} ({error.strerror})", path=self._folder
            ) from error
        return kept

    def keep(self, kept: KeptFile, name: str) -> KeptFile:
        """The upload is whole; from now on `get` finds it."""
        note = json.dumps({"kind": kept.kind, "name": name})
        (kept.folder / _NOTE).write_text(note, encoding="utf-8")
        return KeptFile(kept.id, kept.kind, name, kept.folder)

    def get(self, file_id: str, kind: Kind) -> KeptFile:
        """An upload, which is used now.

        Raises:
            HttpProblem: There is none of that name (any more).
        """
        folder = self._folder / file_id
        if re.fullmatch(r"[\w-]{24}", file_id, re.ASCII):
            with contextlib.suppress(OSError, ValueError, KeyError):
                about = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
                if about["kind"] == kind:
                    (folder / _NOTE).touch()
                    return KeptFile(file_id, kind, about["name"], folder)
        raise HttpProblem(404, f"there is no such {kind} any more; it has to be sent again")

    def remove(self, file_id: str) -> None:
        """Delete an upload with all that was made of it."""
        shutil.rmtree(self._folder / file_id, ignore_errors=True)

    def tidy(self) -> None:
        """Remove what was not used for long, and the oldest while there is too much."""
        room, now_s = self._most_bytes, time.time()
        for used_s, folder in sorted(_ages(self._folder), reverse=True):
            room -= sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
            if now_s - used_s > self._keep_s or room < 0:
                self.remove(folder.name)


def _ages(home: Path) -> list[tuple[float, Path]]:
    """When each folder was used last; one that is being written has no note yet."""
    ages = []
    for folder in home.iterdir() if home.is_dir() else ():
        with contextlib.suppress(OSError):
            note = folder / _NOTE
            ages.append(((note if note.exists() else folder).stat().st_mtime, folder))
    return ages
