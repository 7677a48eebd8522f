"""Stores restored photos for a while, as files under unguessable names."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from ..files import free_path
from .http_problems import HttpProblem
from .limits import Limits

#: Results of which it is remembered why they went.
_MOST_GONE = 10_000
Part = Literal["file", "before", "after"]


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One result.

    Attributes:
        id: A long random name.
        name: What to call the file.
        media_type: Of the file.
        n_bytes: Of all its parts.
        kept_s: When it was kept, by the monotonic clock.
        has_previews: There are images for comparing.
    """

    id: str
    name: str
    media_type: str
    n_bytes: int
    kept_s: float
    has_previews: bool


class ResultStore:
    """Stored results; the oldest is removed when time or space runs out."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._kept: dict[str, StoredResult] = {}
        self._gone: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def keep(
        self, data: bytes, name: str, media_type: str, images: tuple[bytes, bytes] | None
    ) -> StoredResult:
        """Keep a file, and the images before and after.

        Raises:
            OSError: The disk is full; nothing is left of it.
        """
        parts: dict[Part, bytes] = {"file": data}
        if images is not None:
            parts |= {"before": images[0], "after": images[1]}
        kept = StoredResult(
            secrets.token_urlsafe(18),
            name,
            media_type,
            sum(map(len, parts.values())),
            time.monotonic(),
            images is not None,
        )
        try:
            for part, content in parts.items():
                self._path(kept.id, part).write_bytes(content)
        except OSError:
            self._unlink(kept.id)
            raise
        with self._lock:
            self._kept[kept.id] = kept
        self.tidy()
        return kept

    def get(self, result_id: str) -> StoredResult:
        """A result.

        Raises:
            HttpProblem: There is none of that name (any more).
        """
        kept = self._kept.get(result_id)
        if kept is None:
            why = self._gone.get(result_id, "it was removed, or the server was stopped")
            raise HttpProblem(404, f"there is no such result: {why}; restore the photo again")
        return kept

    def path(self, result_id: str, part: Part) -> Path:
        """The file of a part.

        Raises:
            HttpProblem: There is none.
        """
        kept = self.get(result_id)
        if part != "file" and not kept.has_previews:
            raise HttpProblem(404, "this result has no images; ask for previews=true")
        return self._path(kept.id, part)

    def remove(self, result_id: str, why: str = "it was removed") -> None:
        """Delete a result; `why` is told to whoever asks for it."""
        with self._lock:
            kept = self._kept.pop(result_id, None)
            self._gone[result_id] = why
            while len(self._gone) > _MOST_GONE:
                self._gone.popitem(last=False)
        if kept is not None:
            self._unlink(kept.id)

    def tidy(self) -> None:
        """Remove what is too old, and the oldest while there is too much."""
        now_s, room = time.monotonic(), self._limits.results_bytes
        with self._lock:
            newest_first = sorted(self._kept.values(), key=lambda kept: -kept.kept_s)
        for number, kept in enumerate(newest_first):
            room -= kept.n_bytes
            if now_s - kept.kept_s > self._limits.keep_s:
                self.remove(kept.id, f"it has expired after {self._limits.keep_s / 60:g} minutes")
            elif room < 0 and number:  # the newest stays until it is fetched
                self.remove(kept.id, "newer ones needed its room")

    def zip(self, result_ids: Iterable[str]) -> BinaryIO:
        """Several results in one archive; names that meet are numbered.

        Raises:
            HttpProblem: One of them is not there.
            OSError: The disk is full.
        """
        file = cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115
        taken: set[str] = set()
        try:
            with zipfile.ZipFile(file, "w") as archive:
                for result_id in dict.fromkeys(result_ids):
                    kept = self.get(result_id)
                    name = Path(kept.name.replace('"', "'"))  # which Windows does not take
                    free = free_path(Path(), name.stem, name.suffix, taken)
                    archive.write(self.path(result_id, "file"), free)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def __len__(self) -> int:
        return len(self._kept)

    def _path(self, result_id: str, part: Part) -> Path:
        return self._folder / f"{result_id}.{part}"

    def _unlink(self, result_id: str) -> None:
        for part in ("file", "before", "after"):
            with contextlib.suppress(OSError):
                self._folder.joinpath(f"{result_id}.{part}").unlink(missing_ok=True)
