"""The photos of `gpen restore`: plans tasks, runs them, prints a summary."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress, TaskID

from gpen import Restorer, Settings, SettingsError
from gpen.images.read import find_images
from gpen.images.write import encode_image, output_paths

from . import console
from .output_names import check_folder, folders
from .restore_extras import Options
from .restore_inputs import Outcome, Task, run
from .result_ledger import Ledgers

STANDARD_STREAM = "-"


def restore_photos(
    inputs: Sequence[str],
    output: str | None,
    restorer: Restorer,
    outcomes: list[Outcome],
    options: Options,
    *,
    recursive: bool,
    jobs: int,
) -> None:
    """Restore the photos named on the command line; what becomes of each goes into `outcomes`."""
    if STANDARD_STREAM in inputs and output in (None, STANDARD_STREAM):
        _stdin_to_stdout(inputs, restorer)
        return
    tasks, failed = _plan(
        inputs, output, restorer.settings, recursive=recursive, again=options.skip_existing
    )
    for outcome in failed:
        console.complain(str(outcome.error))
    outcomes += failed
    if tasks:
        restorer.load()  # a model that cannot run is one error, not one per photo
        if options.similarity:
            _ = restorer.identity
    with console.progress_bar("Restoring", len(tasks)) as bar:
        restorer.on_tile = _tile_bars(bar)
        for outcome in run(tasks, restorer, options, jobs):
            outcomes.append(outcome)
            _show(outcome)
            bar.advance(bar.task_ids[0])


def _tile_bars(bar: Progress) -> Callable[[int, int], None]:
    """A bar for each thread that enlarges a background, as long as it does."""
    bars: dict[int, TaskID] = {}

    def show(done: int, total: int) -> None:
        thread = threading.get_ident()
        if thread not in bars:
            bars[thread] = bar.add_task("Background", total=total)
        bar.update(bars[thread], completed=done, total=total, visible=done < total)

    return show


def _plan(
    inputs: Sequence[str], output: str | None, settings: Settings, *, recursive: bool, again: bool
) -> tuple[list[Task], list[Outcome]]:
    """Turn arguments into tasks, and inputs that cannot be read into failed outcomes.

    Where results are looked for that are there already (`again`), they get the names that they
    have, and what is new gets others.
    """
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
    name_results = partial(
        output_paths, paths, out, as_folder=several, format=settings.format, roots=folders(inputs)
    )
    targets = name_results()
    is_file = out is not None and targets == [out]
    ledgers = Ledgers(None if is_file else out)
    if again and not is_file:
        targets = name_results(earlier=ledgers.results_beside(targets))
    # What goes beside its photo leaves no notes there unless somebody looks for them.
    is_noted = again or not (is_file or out is None)
    tasks = [
        Task(path, str(path), target, ledgers.of(target) if is_noted else None)
        for path, target in zip(paths, targets, strict=True)
    ]
    if STANDARD_STREAM in inputs and out is not None:
        tasks.append(Task(sys.stdin.buffer.read(), STANDARD_STREAM, out))
    return tasks, outcomes


def _stdin_to_stdout(inputs: Sequence[str], restorer: Restorer) -> None:
    """One photo through a pipe; messages go to standard error."""
    if list(inputs) != [STANDARD_STREAM]:
        raise SettingsError("standard input goes alone: - < old.jpg > new.jpg")
    settings = restorer.settings
    result = restorer.restore(sys.stdin.buffer.read())
    data = encode_image(
        result.photo, format=settings.format, quality=settings.quality, strip=settings.strip
    )
    console.write_bytes(data)
    console.say(f"{len(result.restored)} of {len(result.faces)} faces restored", to=console.err)
    _show_notes(result.notes)


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
