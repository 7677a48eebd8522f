"""A worker: restores a block of photos, stages, records and publishes the results."""

from __future__ import annotations

import dataclasses
import re
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import WriteError
from ..files import os_errors_as
from .batch_plan import Block, Photo
from .manifest import STAGED, STATE, Manifest, PhotoResult, Row, to_lines
from .publishing import publish
from .storage import Storage

#: Reads the bytes of a photo (with its name for messages) and writes the result to a file.
Restore = Callable[[bytes, str, Path], PhotoResult]
#: A photo at which this many workers died is left out.
DEADLY = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What all workers of a run have in common.

    Attributes:
        source: URL of the photos.
        target: URL of the results.
        settings: Fingerprint of the settings.
        overwrite: Results may replace files that are not in the manifest.
        jobs: Photos that one worker has in hand at the same time.
        token: Name of a file that the run has put below the target.
    """

    source: str
    target: str
    settings: str
    overwrite: bool
    jobs: int
    token: str

    @classmethod
    def start(
        cls, source: Storage, target: Storage, *, settings: str, overwrite: bool, jobs: int
    ) -> Job:
        """A job whose token lies below the target.

        Raises:
            WriteError: The target cannot be written.
        """
        token = f"{STATE}/run-{secrets.token_hex(8)}"
        with os_errors_as(WriteError, f"cannot write to {target.url}", errors=(Exception,)):
            target.write_whole(token, b"A run of gpen batch has begun.\n", replace=False)
        return cls(source.url, target.url, settings, overwrite, jobs, token)


class Worker:
    """Holds the model and does blocks; what Ray calls an actor.

    Nothing is raised: a worker that cannot work reports why for every block.
    """

    def __init__(self, job: Job, make_restore: Callable[[], Restore]) -> None:
        self._job = job
        self._trouble: str | None = None
        try:
            self._source, self._target = Storage(job.source), Storage(job.target)
            self._manifest = Manifest(self._target)
            if self._target.has(job.token):
                self._restore = make_restore()
            else:
                self._trouble = (
                    f"it does not see {job.target}; expected a folder that all machines share, "
                    "or a bucket"
                )
        except Exception as error:  # raised here, Ray would start the worker again without end
            self._trouble = str(error)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Do the blocks of a batch: column "block" to columns "rows" and "trouble"."""
        if self._trouble is not None:
            n = len(batch["block"])
            return {"block": [""] * n, "rows": [""] * n, "trouble": [self._trouble] * n}
        blocks = [Block.from_json(str(text)) for text in batch["block"]]
        rows = [to_lines(self.do(block)) for block in blocks]
        return {"block": [b.id for b in blocks], "rows": rows, "trouble": [""] * len(rows)}

    def do(self, block: Block) -> list[Row]:
        """The rows of a block, which is done unless its part of the manifest is there."""
        try:
            rows = self._manifest.read(block.id)
            if rows is None:
                rows = self._manifest.write(block.id, self._restore_all(block))
            rows = [publish(self._target, row) for row in rows]
            if not any(row.waits for row in rows):
                self._target.remove(f"{STAGED}/{block.id}")
        except Exception as error:  # a full disk, a bucket that is away: each driver's own errors
            return [self._row(photo).failing(_line(error)) for photo in block.photos]
        return rows

    def _restore_all(self, block: Block) -> list[Row]:
        """Restore and stage all photos; one by one where a worker died over this block before."""
        folder = f"{STAGED}/{block.id}"
        marks = Counter(_mark_of(name) for name in self._target.names(folder))
        self._mark(folder, "block")
        photos = list(enumerate(block.photos))
        if not marks["block"]:
            with ThreadPoolExecutor(self._job.jobs, thread_name_prefix="gpen") as pool:
                return list(pool.map(lambda item: self._one(folder, *item), photos))
        rows = []
        for number, photo in photos:
            if marks[str(number)] >= DEADLY:
                error = f"{photo.name}: {DEADLY} workers died while they restored it"
                rows.append(self._row(photo).failing(error))
                continue
            mark = self._mark(folder, str(number))
            rows.append(self._one(folder, number, photo))
            self._target.remove(mark)
        return rows

    def _mark(self, folder: str, what: str) -> str:
        """Note that work begins, in case it ends this worker; the name of the note."""
        name = f"{folder}/begun-{what}-{secrets.token_hex(4)}"
        self._target.write_whole(name, b"\n", replace=False)
        return name

    def _one(self, folder: str, number: int, photo: Photo) -> Row:
        """Restore one photo and put the result beside those of its block."""
        row = self._row(photo)
        suffix = PurePosixPath(photo.output).suffix
        try:
            with tempfile.TemporaryDirectory(prefix="gpen-batch-") as temporary:
                local = Path(temporary, f"result{suffix}")
                output = self._restore(self._source.read(photo.name), photo.name, local)
                row = dataclasses.replace(row, **dataclasses.asdict(output), finished=time.time())
                if row.status == "failed":
                    return row.failing(f"{photo.name}: {row.error}")
                staged = f"{folder}/{number}-{secrets.token_hex(4)}{suffix}"
                self._target.upload(local, staged)
                n_bytes = local.stat().st_size
        except Exception as error:  # a photo that is gone, a bucket that is away
            return row.failing(f"{photo.name}: {_line(error)}")
        return dataclasses.replace(row, output=photo.output, staged=staged, n_bytes=n_bytes)

    def _row(self, photo: Photo) -> Row:
        return Row(
            name=photo.name,
            stamp=photo.stamp,
            settings=self._job.settings,
            replace=self._job.overwrite,
            finished=time.time(),
        )


def _mark_of(name: str) -> str:
    found = re.search(r"begun-(block|\d+)-", name)
    return found[1] if found else ""


def _line(error: Exception) -> str:
    """An error on one line; drivers raise some without any text."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
