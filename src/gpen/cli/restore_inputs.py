"""Restores many photos; one bad file never stops the rest."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from gpen import GpenError, OutputExistsError, Restoration, Restorer, WriteError, __version__
from gpen.concurrency import in_parallel
from gpen.files import written_whole
from gpen.images import transforms
from gpen.images.write import write_image
from gpen.json_text import json_text
from gpen.types import Image, Pixels

from .result_ledger import Ledger, Stamp, State

Status = Literal["restored", "no face", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Task:
    """One input and the path of its result.

    Attributes:
        source: A path, or the bytes of standard input.
        name: What to call it in messages.
        target: File to write.
        ledger: Where it is noted what the target was made of, or None where it is not.
    """

    source: Path | bytes
    name: str
    target: Path
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What to write besides the result.

    Attributes:
        overwrite: Replace files that are there.
        skip_existing: Leave photos whose result is there; see `gpen.cli.result_ledger`.
        save_faces: Write each face, crop beside answer.
        compare: Write input and result side by side.
        similarity: Say in the report how alike each face is before and after.
        keep_time: Results get the times of their photos.
    """

    overwrite: bool = False
    skip_existing: bool = False
    save_faces: bool = False
    compare: bool = False
    similarity: bool = False
    keep_time: bool = False

    @property
    def may_replace_extras(self) -> bool:
        """Whether what lies beside a result, or beside where it was, may be replaced."""
        return self.overwrite or self.skip_existing


@dataclass(slots=True)
class Outcome:
    """The result of one input; a row of the report."""

    input: str
    output: str | None = None
    status: Status = "failed"
    error: str | None = None
    width: int | None = None
    height: int | None = None
    faces: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    model_file: str | None = None
    engine: str | None = None
    device: str | None = None
    precision: str | None = None
    embedding: str | None = None
    notes: list[str] = field(default_factory=list)


def run(
    tasks: Sequence[Task], restorer: Restorer, options: Options, jobs: int
) -> Iterator[Outcome]:
    """Restore every task, `jobs` at a time, and yield outcomes as they come.

    At most `2 * jobs` photos are in memory. Leaving the generator early lets photos that are
    being written finish and starts no new ones. What another gpen is restoring is looked at last.
    """
    busy: list[Task] = []
    for task, outcome in in_parallel(
        lambda task: (task, _try_one(task, restorer, options, wait=False)), tasks, jobs=jobs
    ):
        if outcome is None:
            busy.append(task)
        else:
            yield outcome
    yield from in_parallel(lambda task: run_one(task, restorer, options), busy, jobs=jobs)


def run_one(task: Task, restorer: Restorer, options: Options) -> Outcome:
    """Restore one task; errors that gpen knows become part of the outcome."""
    outcome = _try_one(task, restorer, options, wait=True)
    if outcome is None:
        raise AssertionError("who waits gets an outcome")
    return outcome


def _try_one(task: Task, restorer: Restorer, options: Options, *, wait: bool) -> Outcome | None:
    """The outcome, or None where another gpen is restoring it and `wait` is false."""
    outcome = Outcome(input=task.name)
    try:
        with claimed(task.target, task.ledger, options, wait=wait) as is_free:
            if not is_free:
                return None
            replace = may_write(task.source, task.target, task.ledger, options)
            if replace is None:
                outcome.status, outcome.output = "skipped", str(task.target)
                return outcome
            _check_extras(task.target, options)
            _restore_to(task, restorer, options, outcome, overwrite=replace)
    except GpenError as error:
        outcome.status, outcome.error = "failed", str(error)
    except MemoryError:
        outcome.status = "failed"
        outcome.error = f"{task.name}: out of memory; close other programs or use fewer --jobs"
    return outcome


def claimed(
    target: Path, ledger: Ledger | None, options: Options, *, wait: bool
) -> AbstractContextManager[bool]:
    """Whether nobody else makes a result; see `Ledger.claim`. Only `--skip-existing` asks."""
    if ledger is None or not options.skip_existing:
        return nullcontext(True)
    return ledger.claim(target, wait=wait)


def may_write(
    source: Path | bytes, target: Path, ledger: Ledger | None, options: Options
) -> bool | None:
    """Whether a result may be written, by what is there and what was noted of it.

    Returns:
        False: where nothing is there; True: it may also replace what is there; None: the result
        is there, and nothing is to be done.

    Raises:
        OutputExistsError: Something else is there, and overwriting was not asked for.
    """
    if options.overwrite:
        return True
    if not target.exists():
        return False
    if not options.skip_existing:
        raise OutputExistsError(
            f"{target} is already there; use --overwrite or --skip-existing", path=target
        )
    if ledger is None or isinstance(source, bytes):
        return None
    state = ledger.state(source, target)
    if state in _IN_THE_WAY:
        raise OutputExistsError(
            f"{source}: {target} {_IN_THE_WAY[state]}; use --overwrite or move it away",
            path=target,
        )
    return {"nothing": False, "outdated": True}.get(state)


_IN_THE_WAY: Mapping[State, str] = {
    "touched": "was changed after gpen wrote it, and so was its input",
    "another's": "is the result of another input",
    "unknown, old": "is older than its input, and gpen has not noted what it was made of",
}


def _restore_to(
    task: Task, restorer: Restorer, options: Options, outcome: Outcome, *, overwrite: bool
) -> None:
    stamp = Stamp.of(task.source) if isinstance(task.source, Path) else None
    result = restorer.restore(task.source)
    settings = restorer.settings
    started = time.perf_counter()
    write_image(
        result.photo,
        task.target,
        overwrite=overwrite,
        quality=settings.quality,
        strip=settings.strip,
    )
    note_result(task.source, stamp, task.target, task.ledger, options)
    _write_extras(result, task.target, options)
    outcome.seconds = {
        stage: round(seconds, 4)
        for stage, seconds in {**result.seconds, "write": time.perf_counter() - started}.items()
    }
    outcome.output, outcome.notes = str(task.target), list(result.notes)
    outcome.status = "restored" if result.restored else "no face"
    outcome.width, outcome.height = result.photo.size_wh
    outcome.faces = _face_rows(result, options)
    if result.restored:
        engine = restorer.engine
        outcome.model, outcome.model_file = restorer.model.name, str(restorer.model.path)
        outcome.engine, outcome.device = engine.name, engine.device
        outcome.precision = engine.precision
        outcome.embedding = restorer.identity.name if options.similarity else None


def note_result(
    source: Path | bytes,
    stamp: Stamp | None,
    target: Path,
    ledger: Ledger | None,
    options: Options,
) -> None:
    """Give a result the time of its input where that is asked for, and note what it is made of.

    Args:
        source: The input.
        stamp: Its stamp from before it was read; None where it is no file.
        target: The result.
        ledger: Where to note it.
        options: Of the run.

    Raises:
        WriteError: The time cannot be set, or the note not be written.
    """
    if stamp is None or not isinstance(source, Path):
        return
    if options.keep_time:
        try:
            os.utime(target, ns=(stamp.mtime_ns, stamp.mtime_ns))
        except OSError as error:
            reason = error.strerror or str(error)
            raise WriteError(f"cannot set the time of {target} ({reason})", path=target) from error
    if ledger is not None:
        ledger.note(source, stamp, target)


def _face_rows(result: Restoration, options: Options) -> list[dict[str, Any]]:
    """All faces found, for the report."""
    restored = {face.index: face for face in result.restored}
    rows = []
    for index, face in enumerate(result.faces):
        row = {**face.to_dict(), "size_px": round(face.size_px, 1), "restored": index in restored}
        if options.similarity:
            row["similarity"] = round(restored[index].similarity, 3) if index in restored else None
        rows.append(row)
    return rows


def _check_extras(target: Path, options: Options) -> None:
    """Refuse, before any work, to replace what an earlier run has written beside its result.

    How many faces there will be is not known yet: any face of an earlier run is in the way.

    Raises:
        OutputExistsError: There is such a file, and it may not be replaced.
    """
    if options.may_replace_extras:
        return
    there = [_compare_path(target)] if options.compare and _compare_path(target).exists() else []
    if options.save_faces and target.parent.is_dir():
        name = re.compile(rf"{re.escape(target.stem)}_face\d+\.png")
        there += sorted(path for path in target.parent.iterdir() if name.fullmatch(path.name))
    if there:
        raise OutputExistsError(
            f"{there[0]} is already there; move it away or use --overwrite", path=there[0]
        )


def _write_extras(result: Restoration, target: Path, options: Options) -> None:
    """Write `<stem>_faceNN.png` (crop beside answer) and `<stem>_compare.<ext>`."""
    if options.save_faces:
        for face in result.restored:
            pair = np.hstack([face.crop.pixels, face.pixels])
            _write_extra(pair, target.with_name(f"{target.stem}_face{face.index:02d}.png"), options)
    if options.compare:
        width, height = result.photo.size_wh
        before = transforms.resize(result.source.pixels, (width, height))
        _write_extra(np.hstack([before, result.photo.pixels]), _compare_path(target), options)


def _compare_path(target: Path) -> Path:
    return target.with_name(f"{target.stem}_compare{target.suffix}")


def _write_extra(pixels: NDArray[Any], path: Path, options: Options) -> None:
    write_image(Image(cast("Pixels", pixels)), path, overwrite=options.may_replace_extras)


def write_report(path: Path, outcomes: Sequence[Outcome], settings: dict[str, Any]) -> None:
    """Write the report as JSON, atomically; an older report is replaced.

    Raises:
        WriteError: The folder is missing, not writable or full.
    """
    report = {
        "gpen": __version__,
        "settings": settings,
        "inputs": [
            {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}
            for outcome in outcomes
        ],
    }
    text = json_text(report, indent=2)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
