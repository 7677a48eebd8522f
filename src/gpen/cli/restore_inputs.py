"""Restores many photos; one bad file never stops the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gpen import GpenError, OutputExistsError, Restoration, Restorer, WriteError, __version__
from gpen.concurrency import in_parallel
from gpen.files import written_whole
from gpen.images.write import write_image
from gpen.json_text import json_text

from .restore_extras import Options, check_extras, write_extras
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
            check_extras(task.target, options)
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
    write_extras(result, task.target, options)
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
