"""Plans a run: photos, persons, and the folders of results."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from ... import __version__
from ...errors import MissingExtraError, OutputExistsError, ReadError, SettingsError
from ...images.read import find_images
from .prepare_options import Options

#: Files and folders that a data set consists of, in the order in which they are put in place.
PARTS = ("train", "val", "sheet.jpg", "report.json", "manifest.jsonl")
WORK_NAME = ".work"
#: Photos in a batch: what is lost when a run is killed, for each thread.
BATCH = 16


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to look at.

    Attributes:
        number: Its place in the order; names its faces.
        path: The file.
        name: Folder and file as the user gave them, without what lies above.
        stamp: Size and time of the file.
        identity: Who is on it, or None where that is not known.
    """

    number: int
    path: Path
    name: str
    stamp: tuple[int, int]
    identity: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos that are looked at together, and the file for what was found on them."""

    photos: tuple[Photo, ...]
    file: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run.

    Attributes:
        photos: In their order.
        failures: Sources that cannot be read, and why.
        target: Folder of the data set.
        options: The options.
        digest: Of everything that decides the result.
    """

    photos: tuple[Photo, ...]
    failures: tuple[tuple[str, str], ...]
    target: Path
    options: Options
    digest: str

    @property
    def work(self) -> Path:
        """Folder for unfinished work."""
        return self.target / WORK_NAME

    def batches(self) -> Iterator[Batch]:
        """The photos in groups; the same photos and options give the same files."""
        photos = iter(self.photos)
        while members := tuple(islice(photos, BATCH)):
            stamps = [(p.number, p.name, p.stamp) for p in members]
            name = _digest([__version__, self.options.of_crops(), stamps])
            yield Batch(members, self.work / f"{name}.faces")


def plan_work(
    sources: Sequence[str | Path], target: Path, options: Options, *, overwrite: bool = False
) -> Plan:
    """Find the photos, and check that results have a place to go.

    Args:
        sources: Photos, folders with all their subfolders, patterns.
        target: Folder for the data set: new, empty, of an interrupted run, or with `overwrite` an
            older data set.
        options: The options.
        overwrite: Whether to replace an older data set; it stays until the new one is complete.

    Raises:
        MissingExtraError: webdataset is not installed.
        ReadError: No photo was found, or the file of identities cannot be read.
        OutputExistsError: The folder holds something else.
        SettingsError: The file of identities makes no sense.
    """
    if importlib.util.find_spec("webdataset") is None:
        raise MissingExtraError("writing shards", extra="train")
    photos, failures = _find_photos(sources, target, options)
    if not photos:
        why = f" ({failures[0][1]})" if failures else ""
        raise ReadError(f"no photo in {', '.join(map(str, sources))}{why}: name a folder of photos")
    digest = _digest(
        [
            __version__,
            {name: str(value) for name, value in asdict(options).items()},
            [(photo.name, photo.stamp, photo.identity) for photo in photos],
        ]
    )
    plan = Plan(tuple(photos), tuple(failures), target, options, digest)
    _check_target(plan, overwrite=overwrite)
    return plan


def _find_photos(
    sources: Sequence[str | Path], target: Path, options: Options
) -> tuple[list[Photo], list[tuple[str, str]]]:
    """The photos, each once, and the sources that cannot be read."""
    known = _read_identities(options.identities) if options.identities is not None else {}
    photos: dict[Path, Photo] = {}
    failures: list[tuple[str, str]] = []
    for source in sources:
        paths, errors = find_images([source], recursive=True)
        failures += [(str(source), str(error)) for error in errors]
        root = Path(source)
        for path in paths:
            full = path.resolve()
            if full in photos or target.resolve() in full.parents:
                continue
            below = path.relative_to(root).as_posix() if root.is_dir() else path.name
            name = f"{root.resolve().name}/{below}" if root.is_dir() else below
            identity = known.get(name) or known.get(below) or known.get(path.name)
            if options.identity_from_folder:
                identity = full.parent.name
            status = path.stat()
            stamp = (status.st_size, status.st_mtime_ns)
            photos[full] = Photo(len(photos), path, name, stamp, identity)
    return list(photos.values())[: options.limit or None], failures


def finished_digest(target: Path) -> str | None:
    """The digest of the complete data set in a folder, or None where there is none."""
    if not (target / "manifest.jsonl").is_file():
        return None
    try:
        return str(json.loads((target / "report.json").read_text("utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _check_target(plan: Plan, *, overwrite: bool) -> None:
    target = plan.target
    if target.exists() and not target.is_dir():
        raise OutputExistsError(f"{target} is a file; expected a folder", path=target)
    finished = finished_digest(target)
    if finished is not None:
        if finished != plan.digest and not overwrite:
            raise OutputExistsError(
                f"{target} holds a data set of other photos or options; choose another folder or "
                "use --overwrite",
                path=target,
            )
    elif target.is_dir() and any(target.iterdir()) and not plan.work.is_dir():
        raise OutputExistsError(
            f"{target} holds other files; choose a new or empty folder", path=target
        )


def _read_identities(path: Path) -> dict[str, str]:
    """Photo → person from lines "photo,person" or, as CelebA has them, "photo person"."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"cannot read the identities {path}: {error}", path=path) from error
    comma = any("," in line for line in lines)
    rows = csv.reader(lines) if comma else (line.split() for line in lines)
    known: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        fields = [field.strip() for field in row if field.strip()]
        if len(fields) == 2:
            known[fields[0].replace("\\", "/").removeprefix("./")] = fields[1]
        elif fields:
            raise SettingsError(
                f"{path}: line {number} has {len(fields)} fields; expected photo,person"
            )
    return known


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
