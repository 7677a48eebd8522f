"""What is left to do: photos of the source against the manifest and the target, in blocks."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from ..errors import ReadError, SettingsError
from ..images.formats import READABLE_SUFFIXES
from ..images.read import RESULT_NAME
from ..images.write import output_paths
from .manifest import Row
from .storage import Storage


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo to restore.

    Attributes:
        name: Relative to the source.
        stamp: Its size and version when the source was listed.
        output: Where the result goes, relative to the target.
        tries: Rows of the manifest that name it already.
    """

    name: str
    stamp: str
    output: str
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Photos that one worker restores in one go.

    Attributes:
        id: The same for the same photos and settings, so that a block that is done again, by
            whichever worker or run, meets its own part of the manifest.
    """

    id: str
    photos: tuple[Photo, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Block:
        data = json.loads(text)
        return cls(data["id"], tuple(Photo(**photo) for photo in data["photos"]))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do.

    Attributes:
        done: Rows of photos that need nothing, from the manifest.
        settled: Rows of photos whose result is already there and not in the manifest.
        blocks: The rest.
    """

    done: list[Row] = field(default_factory=list)
    settled: list[Row] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def find_photos(source: Storage, target: Storage) -> dict[str, str]:
    """Names and stamps of the photos below the source, in the order of their names.

    Hidden files, gpen's own results (`<stem>_gpen.*`) and the target, where it lies within the
    source, are left out.

    Raises:
        SettingsError: Source and target are one folder.
        ReadError: The source is missing or has no photos.
    """
    if source.url == target.url:
        raise SettingsError(f"{source.url} is the source and the target; choose another target")
    inside = f"{target.url}/".removeprefix(f"{source.url}/")
    photos = {
        name: stamp
        for name, stamp in sorted(source.files().items())
        if _is_photo(name) and not name.startswith(inside)
    }
    if not photos:
        raise ReadError(f"{source.url} has no photos in it; check its name")
    return photos


def make_plan(
    photos: Mapping[str, str],
    rows: Sequence[Row],
    existing: Iterable[str],
    *,
    settings: str,
    format: str | None,
    block_size: int,
    overwrite: bool,
    skip_existing: bool,
) -> Plan:
    """Sort the photos into done, settled and left to do.

    Args:
        photos: Names and stamps.
        rows: The manifest, oldest first.
        existing: Names of the files in the target.
        settings: Fingerprint of the settings.
        format: A suffix for all results; None keeps each photo's.
        block_size: Photos in a block.
        overwrite: Results that the manifest does not vouch for are replaced.
        skip_existing: They are left, and their photos too.

    Raises:
        SettingsError: The format is unknown.
    """
    plan, there = Plan(), set(existing)
    done = {_key(row): row for row in rows if row.output is not None and row.output in there}
    tries = Counter(row.name for row in rows)
    left = []
    outputs = output_paths([Path(name) for name in photos], format=format, suffix="")
    for (name, stamp), path in zip(photos.items(), outputs, strict=True):
        output = path.as_posix()
        row = done.get((name, stamp, settings, output))
        if row is not None:
            plan.done.append(row)
        elif output in there and not overwrite:
            plan.settled.append(_settled(name, output, skip=skip_existing))
        else:
            left.append(Photo(name, stamp, output, tries[name]))
    plan.blocks.extend(_blocks(left, settings, block_size))
    return plan


def _key(row: Row) -> tuple[str, str, str, str | None]:
    return row.name, row.stamp, row.settings, row.output


def _settled(name: str, output: str, *, skip: bool) -> Row:
    if skip:
        return Row(name=name, output=output, status="skipped")
    error = f"{output} is already there; use --overwrite or --skip-existing"
    return Row(name=name, status="failed", error=error)


def _blocks(photos: Sequence[Photo], settings: str, size: int) -> Iterator[Block]:
    for start in range(0, len(photos), size):
        chosen = tuple(photos[start : start + size])
        text = json.dumps([settings, *map(asdict, chosen)])
        yield Block(hashlib.sha256(text.encode()).hexdigest()[:20], chosen)


def _is_photo(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        path.suffix.lower() in READABLE_SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
        and not RESULT_NAME.search(path.stem)
    )
