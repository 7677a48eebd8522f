"""The manifest: a row per photo, in parts written atomically by the worker of a block."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ReadError
from ..json_text import json_text
from .storage import Storage

#: The folder below the results that holds what gpen notes about them.
STATE = ".gpen-batch"
PARTS = f"{STATE}/parts"
STAGED = f"{STATE}/staged"
REPORT = f"{STATE}/report.json"
#: Settings that say where and on what a photo is restored, not what it looks like.
_WITHOUT_EFFECT = ("models_dir", "engine", "device", "max_pixels")

Status = Literal["restored", "no face", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True)
class PhotoResult:
    """The result of restoring one photo.

    Attributes:
        status: What became of it.
        error: Why it failed.
        width: Of the result in pixels.
        height: Of the result in pixels.
        faces: How many were found.
        restored: How many of them were restored.
        seconds: Time spent by stage.
        model: Name of the weights that ran.
        engine: What ran them.
        device: What they ran on.
        precision: In which arithmetic.
    """

    status: Status = "failed"
    error: str | None = None
    width: int | None = None
    height: int | None = None
    faces: int = 0
    restored: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    engine: str | None = None
    device: str | None = None
    precision: str | None = None


@dataclass(frozen=True, kw_only=True)
class Row(PhotoResult):
    """One line of the manifest.

    Attributes:
        name: The photo, relative to the source.
        stamp: Size and version of the photo that was read.
        settings: Fingerprint of the settings.
        output: Where the result belongs, relative to the target; None without a result.
        staged: Where the result was before it moved to `output`.
        n_bytes: Size of the result.
        replace: Whether it may take the place of another file.
        finished: Seconds since 1970.
    """

    name: str
    stamp: str = ""
    settings: str = ""
    output: str | None = None
    staged: str | None = None
    n_bytes: int | None = None
    replace: bool = False
    finished: float = 0.0

    @property
    def waits(self) -> bool:
        """Whether the result is staged but could not be published."""
        return self.status == "failed" and self.staged is not None

    def failing(self, error: str) -> Row:
        """The same photo, failed."""
        return dataclasses.replace(self, status="failed", error=error)


class Manifest:
    """The parts of the manifest of one target folder."""

    def __init__(self, target: Storage) -> None:
        self._target = target

    def read_all(self, names: Iterable[str]) -> list[Row]:
        """The rows of all parts among the files of the target, oldest first.

        Raises:
            ReadError: A part is damaged or cannot be read.
        """
        parts = [name for name in names if name.startswith(f"{PARTS}/") and name.endswith(".jsonl")]
        rows = [row for part in parts for row in self._rows(part)]
        return sorted(rows, key=lambda row: row.finished)

    def read(self, block: str) -> list[Row] | None:
        """The rows of a block, or None where it is not done."""
        part = _part(block)
        return self._rows(part) if self._target.has(part) else None

    def write(self, block: str, rows: Sequence[Row]) -> list[Row]:
        """Make the rows count, unless another worker was first: then its rows do."""
        try:
            self._target.write_whole(_part(block), to_lines(rows).encode(), replace=False)
        except FileExistsError:
            return self._rows(_part(block))
        return list(rows)

    def _rows(self, part: str) -> list[Row]:
        try:
            return from_lines(self._target.read(part).decode())
        except (ValueError, TypeError, OSError) as error:
            raise ReadError(
                f"{self._target.url}/{part} cannot be read ({error}): remove it, and its photos "
                "count as not done"
            ) from error


def _part(block: str) -> str:
    return f"{PARTS}/{block}.jsonl"


def to_lines(rows: Iterable[Row]) -> str:
    return "".join(json_text(dataclasses.asdict(row)) + "\n" for row in rows)


def from_lines(text: str) -> list[Row]:
    """Rows from lines of JSON.

    Raises:
        ValueError: A line is no JSON.
        TypeError: A line holds something else than a row.
    """
    return [Row(**json.loads(line)) for line in text.splitlines()]


def fingerprint(settings: Mapping[str, Any], model_sha256: str | None) -> str:
    """16 hex digits that change with anything that changes the results."""
    kept = {key: value for key, value in settings.items() if key not in _WITHOUT_EFFECT}
    text = json.dumps({**kept, "model": model_sha256}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
