"""The photos of `gpen restore`: plans tasks, runs them, prints a summary."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from gpen import Restorer, Settings, SettingsError
from gpen.images.read import find_images
from gpen.images.write import encode_image, output_paths

from . import console
from .output_names import check_folder
from .restore_inputs import Options, Outcome, Task, run

STANDARD_STREAM = "-"


def restore_photos(
    inputs: Sequence[str],
    output: str | None,
    settings: Settings,
    outcomes: list[Outcome],
    *,
    overwrite: bool,
    skip_existing: bool,
    save_faces: bool,
    compare: bool,
    similarity: bool,
    recursive: bool,
    jobs: int,
) -> int:
    """Restore the photos named on the command line; what becomes of each goes into `outcomes`.

    Returns:
        The exit code: 0 all done, 1 some inputs failed, 3 nothing could be done.
    """
    restorer = Restorer(settings)
    if STANDARD_STREAM in inputs and output in (None, STANDARD_STREAM):
        return _stdin_to_stdout(inputs, restorer)
    tasks, failed = _plan(inputs, output, settings, recursive=recursive)
    for outcome in failed:
        console.complain(str(outcome.error))
    outcomes += failed
    if tasks:
        restorer.load()  # a model that cannot run is one error, not one per photo
        if similarity:
            _ = restorer.identity
    options = Options(overwrite, skip_existing, save_faces, compare, similarity)
    with console.progress_bar("Restoring", len(tasks)) as bar:
        for outcome in run(tasks, restorer, options, jobs):
            outcomes.append(outcome)
            _show(outcome)
            bar.advance(bar.task_ids[0])
    return _summary(outcomes)


def _plan(
    inputs: Sequence[str], output: str | None, settings: Settings, *, recursive: bool
) -> tuple[list[Task], list[Outcome]]:
    """Turn arguments into tasks, and inputs that cannot be read into failed outcomes."""
    paths, errors = find_images(
        [name for name in inputs if name != STANDARD_STREAM], recursive=recursive
    )
    outcomes = [Outcome(input=str(error.path), error=str(error)) for error in errors]
    if output == STANDARD_STREAM:
        raise SettingsError("-o - writes one photo to standard output; the input must be - too")
    several = len(paths) + (STANDARD_STREAM in inputs) > 1 or any(
        Path(name).is_dir() for name in inputs
    )
    if several:
        check_folder(output)
    out = Path(output) if output is not None else None
    targets = output_paths(paths, out, as_folder=several, format=settings.format)
    tasks = [Task(path, str(path), target) for path, target in zip(paths, targets, strict=True)]
    if STANDARD_STREAM in inputs and out is not None:
        tasks.append(Task(sys.stdin.buffer.read(), STANDARD_STREAM, out))
    return tasks, outcomes


def _stdin_to_stdout(inputs: Sequence[str], restorer: Restorer) -> int:
    """One photo through a pipe; messages go to standard error."""
    if list(inputs) != [STANDARD_STREAM]:
        raise SettingsError("standard input goes alone: gpen restore - < old.jpg > new.jpg")
    settings = restorer.settings
    result = restorer.restore(sys.stdin.buffer.read())
    data = encode_image(
        result.photo, format=settings.format, quality=settings.quality, strip=settings.strip
    )
    console.write_bytes(data)
    console.say(f"{len(result.restored)} of {len(result.faces)} faces restored", to=console.err)
    _show_notes(result.notes)
    return console.EXIT_OK


def _show(outcome: Outcome) -> None:
    """One line per input."""
    seconds = f"{sum(outcome.seconds.values()):.2f} s"
    n_restored = sum(1 for face in outcome.faces if face["restored"])
    n_faces = f"{n_restored} face{'' if n_restored == 1 else 's'}"
    match outcome.status:
        case "restored":
            console.say(f"{outcome.input} → {outcome.output} · {n_faces} · {seconds}")
        case "no face":
            found = "no face found" if not outcome.faces else "no face chosen"
            console.say(f"{outcome.input} → {outcome.output} · {found}, pixels kept · {seconds}")
        case "skipped":
            console.say(f"{outcome.input} · already has {outcome.output}, skipped")
        case "failed":
            console.complain(str(outcome.error))
    _show_notes(outcome.notes)


def _show_notes(notes: Iterable[str]) -> None:
    for note in notes:
        console.say(f"  {note}", to=console.err)


def _summary(outcomes: Sequence[Outcome]) -> int:
    failed = sum(1 for outcome in outcomes if outcome.status == "failed")
    if len(outcomes) > 1:
        done = len(outcomes) - failed
        console.say(f"{done} of {len(outcomes)} done, {failed} failed", to=console.err)
    if not failed:
        return console.EXIT_OK
    return console.EXIT_NOTHING_DONE if failed == len(outcomes) else console.EXIT_SOME_FAILED
