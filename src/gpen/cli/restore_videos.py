"""The videos of `gpen restore`, one by one; a bad video never stops the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import TextColumn

from gpen import GpenError, Restorer, Settings
from gpen.settings import VideoSettings
from gpen.video.run import partial_of, restore_clip
from gpen.video.video_result import ClipResult, OnProgress

from . import console
from .output_names import video_targets
from .restore_inputs import Outcome

_STAGES = {"faces": "Finding faces", "frames": "Restoring", "joining": "Joining"}


def restore_videos(
    videos: Sequence[str],
    output: str | None,
    settings: Settings,
    video: VideoSettings,
    outcomes: list[Outcome],
    *,
    overwrite: bool,
    skip_existing: bool,
) -> int:
    """Restore the videos named on the command line; what becomes of each goes into `outcomes`.

    Returns:
        The exit code: 0 all done, 1 some videos failed, 3 nothing could be done.

    Raises:
        SettingsError: The output cannot hold the results.
    """
    targets = video_targets(videos, output)
    restorer = Restorer(settings)
    failed = 0
    for name, target in zip(videos, targets, strict=True):
        outcome = Outcome(name)
        outcomes.append(outcome)
        if skip_existing and target.exists():
            console.say(f"{name} · already has {target}, skipped")
            outcome.status, outcome.output = "skipped", str(target)
            continue
        try:
            with _progress() as on_progress:
                result = restore_clip(
                    restorer, name, target, video, overwrite=overwrite, on_progress=on_progress
                )
            _show(name, result)
            _note(outcome, result, restorer)
        except GpenError as error:
            console.complain(str(error))
            outcome.error = str(error)
            failed += 1
        except KeyboardInterrupt:
            partial = partial_of(target)
            plays = f"{partial} plays what is done; " if partial.exists() else ""
            console.say(f"{name} · stopped; {plays}the same command goes on", to=console.err)
            outcome.error = "stopped"
            raise
    if not failed:
        return console.EXIT_OK
    return console.EXIT_NOTHING_DONE if failed == len(videos) else console.EXIT_SOME_FAILED


def _note(outcome: Outcome, result: ClipResult, restorer: Restorer) -> None:
    """The row of a report."""
    outcome.output, outcome.notes = str(result.path), list(result.notes)
    outcome.status = "restored" if result.people else "no face"
    outcome.seconds = {step: round(spent, 3) for step, spent in result.seconds.items()}
    engine = restorer.engine
    outcome.model, outcome.model_file = restorer.model.name, str(restorer.model.path)
    outcome.engine, outcome.device = engine.name, engine.device
    outcome.precision = engine.precision


def _show(name: str, result: ClipResult) -> None:
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
