"""`gpen restore`: restores photos and videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen.options import options_of
from gpen.settings import Settings, VideoSettings

from .option_parameters import values_of, with_options
from .result_parameters import (
    Compare,
    Output,
    Overwrite,
    Recursive,
    Report,
    SaveFaces,
    SkipExisting,
    refuse_both,
)
from .time_arguments import time_range

if TYPE_CHECKING:
    from .restore_extras import Options
    from .restore_inputs import Outcome

EPILOG = """
**Examples**

`gpen restore old.jpg` — writes old_gpen.jpg beside it

`gpen restore album/ -o restored/ --recursive --skip-existing`

`gpen restore selfie.png -o big.png --upscale 2 --model GPEN-BFR-512 --models-dir ~/models`

`cat old.jpg | gpen restore - > new.jpg`

`gpen restore video.mp4` — writes video_gpen.mp4; stopped half-way, the same command goes on

`gpen restore film.mkv --start 1:30 --preview 10 --faces largest --crf 18`

`gpen restore frames/ -o film.mp4 --frame-rate 24`
"""


@with_options(*options_of(Settings), *options_of(VideoSettings), grouped=True)
def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Photos, videos, folders, patterns, or - for stdin."
        ),
    ],
    output: Output = None,
    save_faces: SaveFaces = False,
    compare: Compare = False,
    report: Report = None,
    preview: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Process only the first seconds of a video."),
    ] = None,
    keep_time: Annotated[
        bool, typer.Option("--keep-time", help="Give results the time of their inputs.")
    ] = False,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    recursive: Recursive = False,
    jobs: Annotated[int, typer.Option(min=1, help="Photos restored at the same time.")] = 2,
    **options: Any,
) -> None:
    """Restore the faces in photos and videos."""
    from .restore_extras import Options
    from .restore_inputs import write_report

    refuse_both(overwrite=overwrite, skip_existing=skip_existing)
    settings = Settings(**values_of(Settings, options))
    start_s, end_s = time_range(options["start"], options["end"], preview)
    video = VideoSettings(
        **values_of(VideoSettings, {**options, "start_s": start_s, "end_s": end_s})
    )
    how = Options(
        overwrite=overwrite,
        skip_existing=skip_existing,
        save_faces=save_faces,
        compare=compare,
        similarity=report is not None,
        keep_time=keep_time,
    )
    outcomes: list[Outcome] = []
    try:
        _run(inputs, output, settings, video, outcomes, how, recursive=recursive, jobs=jobs)
    finally:
        if report is not None:
            write_report(report, outcomes, dataclasses.asdict(settings))
    raise typer.Exit(summary(outcomes))


def _run(
    inputs: list[str],
    output: str | None,
    settings: Settings,
    video: VideoSettings,
    outcomes: list[Outcome],
    how: Options,
    *,
    recursive: bool,
    jobs: int,
) -> None:
    """Photos first, then videos."""
    from .output_names import check_folder, split_videos

    videos, photos = split_videos(inputs, output)
    if videos and photos:
        check_folder(output)
    if photos or not videos:
        from gpen import Restorer

        from .restore_images import restore_photos

        restorer = Restorer(settings)
        restore_photos(photos, output, restorer, outcomes, how, recursive=recursive, jobs=jobs)
    if videos:
        from .restore_videos import restore_videos

        restore_videos(videos, output, settings, video, outcomes, how)


def summary(outcomes: Sequence[Outcome]) -> int:
    """The count of all inputs, for a person; the exit code: 0 all done, 1 some failed, 3 all."""
    from . import console

    failed = sum(1 for outcome in outcomes if outcome.status == "failed")
    if len(outcomes) > 1:
        done = len(outcomes) - failed
        console.say(f"{done} of {len(outcomes)} done, {failed} failed", to=console.err)
    if not failed:
        return console.EXIT_OK
    return console.EXIT_NOTHING_DONE if failed == len(outcomes) else console.EXIT_SOME_FAILED
