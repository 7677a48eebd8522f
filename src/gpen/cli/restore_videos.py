"""The videos of `gpen restore`, one by one; a bad video never stops the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import TextColumn

from gpen import GpenError, Restorer, Settings
from gpen.settings import VideoSettings
from gpen.video.job import partial_of
from gpen.video.run import restore_video
from gpen.video.video_result import OnProgress, VideoResult

from . import console
from .output_names import is_video_target, video_targets
from .restore_extras import Options
from .restore_inputs import Outcome, Task, claimed, may_write, note_result
from .result_ledger import Ledgers, Stamp

_STAGES = {"faces": "Finding faces", "frames": "Restoring", "joining": "Joining"}


def restore_videos(
    videos: Sequence[str],
    output: str | None,
    settings: Settings,
    video: VideoSettings,
    outcomes: list[Outcome],
    options: Options,
) -> None:
    """Restore the videos named on the command line; what becomes of each goes into `outcomes`.

    Raises:
        SettingsError: The output cannot hold the results.
    """
    targets = video_targets(videos, output)
    is_file = is_video_target(output)
    ledgers = Ledgers(None if is_file or output is None else Path(output))
    if options.skip_existing and not is_file:
        targets = video_targets(videos, output, ledgers.results_beside(targets))
    is_noted = options.skip_existing or not (is_file or output is None)
    restorer = Restorer(settings)
    tasks = [
        Task(Path(name), name, target, ledgers.of(target) if is_noted else None)
        for name, target in zip(videos, targets, strict=True)
    ]
    busy = [task for task in tasks if not _one(task, restorer, video, options, outcomes)]
    for task in busy:  # by another gpen, which may have failed meanwhile
        _one(task, restorer, video, options, outcomes, wait=True)


def _one(
    task: Task,
    restorer: Restorer,
    video: VideoSettings,
    options: Options,
    outcomes: list[Outcome],
    *,
    wait: bool = False,
) -> bool:
    """Restore one video, unless another gpen does; whether it was ours to do."""
    outcome = Outcome(task.name)
    try:
        with claimed(task.target, task.ledger, options, wait=wait) as is_free:
            if not is_free:
                return False
            outcomes.append(outcome)
            _restore_to(task, restorer, video, options, outcome)
    except GpenError as error:
        console.complain(str(error))
        outcome.error = str(error)
    except KeyboardInterrupt:
        partial = partial_of(task.target)
        plays = f"{partial} plays what is done; " if partial.exists() else ""
        console.say(f"{task.name} · stopped; {plays}the same command goes on", to=console.err)
        outcome.error = "stopped"
        raise
    return True


def _restore_to(
    task: Task, restorer: Restorer, video: VideoSettings, options: Options, outcome: Outcome
) -> None:
    source, target = Path(task.name), task.target
    overwrite = options.overwrite
    if options.skip_existing:
        may = may_write(source, target, task.ledger, options)
        if may is None:
            console.say(f"{task.name} · already has {target}, skipped")
            outcome.status, outcome.output = "skipped", str(target)
            return
        overwrite = may
    stamp = Stamp.of(source)
    with _progress() as on_progress:
        result = restore_video(
            source,
            target,
            restorer=restorer,
            video=video,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    note_result(source, stamp, target, task.ledger, options)
    _show(task.name, result)
    _note(outcome, result, restorer)


def _note(outcome: Outcome, result: VideoResult, restorer: Restorer) -> None:
    """The row of a report."""
    outcome.output, outcome.notes = str(result.path), list(result.notes)
    outcome.status = "restored" if result.people else "no face"
    outcome.seconds = {step: round(spent, 3) for step, spent in result.seconds.items()}
    engine = restorer.engine
    outcome.model, outcome.model_file = restorer.model.name, str(restorer.model.path)
    outcome.engine, outcome.device = engine.name, engine.device
    outcome.precision = engine.precision


def _show(name: str, result: VideoResult) -> None:
    """One line of result, one line for each note."""
    seconds = sum(result.seconds.get(step, 0.0) for step in ("faces", "frames", "joining"))
    fresh = result.frames - result.resumed
    speed = f" · {fresh / seconds:.1f} frames/s" if seconds and fresh else ""
    nobody = "no face chosen" if result.found else "no face found"
    people = _count(result.people, "person", "people") if result.people else nobody
    console.say(
        f"{name} → {result.path} · {_count(result.frames, 'frame')} · {people} · "
        f"{seconds:.1f} s{speed}"
    )
    for note in result.notes:
        console.say(f"  {note}", to=console.err)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar per stage with frames per second and ETA; silent where there is no terminal."""
    bar = console.progress(TextColumn("{task.fields[speed]}"))
    tasks = {}

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(_STAGES[stage], total=total, completed=done, speed="")
        task = tasks[stage]
        speed = bar.tasks[bar.task_ids.index(task)].speed
        shown = f"{speed:.1f} fps" if speed else ""
        bar.update(task, completed=done, total=total, speed=shown)

    with bar:
        yield on_progress
