"""`gpen restore`: restores photos and videos."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from gpen.options import options_of
from gpen.settings import Settings, VideoSettings

from .option_parameters import values_of, with_options
from .time_arguments import time_range

EPILOG = """
**Examples**

`gpen restore old.jpg` — writes old_gpen.jpg beside it

`gpen restore album/ -o restored/ --recursive --skip-existing`

`gpen restore selfie.png -o big.png --upscale 2 --model GPEN-BFR-512 --models-dir ~/models`

`cat old.jpg | gpen restore - > new.jpg`

`gpen restore clip.mp4` — writes clip_gpen.mp4; stopped half-way, the same command goes on

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
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="A file for one input, else a folder; - for standard output."
        ),
    ] = None,
    save_faces: Annotated[
        bool, typer.Option("--save-faces", help="Also write each face: crop beside result.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write input and result side by side.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write a report of every input.")
    ] = None,
    preview: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Process only the first seconds of a video.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing results.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip photos that already have a result.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Search subfolders as well.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Photos restored at the same time.")] = 2,
    **options: Any,
) -> None:
    """Restore the faces in photos and videos."""
    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
    settings = Settings(**values_of(Settings, options))
    start_s, end_s = time_range(options["start"], options["end"], preview)
    video = VideoSettings(
        **values_of(VideoSettings, {**options, "start_s": start_s, "end_s": end_s})
    )
    files = {"overwrite": overwrite, "skip_existing": skip_existing}
    extras = {"save_faces": save_faces, "compare": compare, "recursive": recursive, "jobs": jobs}
    raise typer.Exit(_run(inputs, output, settings, video, report, files, extras))


def _run(
    inputs: list[str],
    output: str | None,
    settings: Settings,
    video: VideoSettings,
    report: Path | None,
    files: dict[str, bool],
    extras: dict[str, Any],
) -> int:
    """Photos first, then videos; the worse exit code of the two."""
    from . import console
    from .output_names import check_folder, split_videos
    from .restore_inputs import Outcome, write_report

    videos, photos = split_videos(inputs, output)
    if videos and photos:
        check_folder(output)
    codes: list[int] = []
    outcomes: list[Outcome] = []
    try:
        if photos or not videos:
            from .restore_images import restore_photos

            extras["similarity"] = report is not None
            codes.append(restore_photos(photos, output, settings, outcomes, **files, **extras))
        if videos:
            from .restore_videos import restore_videos

            codes.append(restore_videos(videos, output, settings, video, outcomes, **files))
    finally:
        if report is not None:
            write_report(report, outcomes, dataclasses.asdict(settings))
    return codes[0] if len(set(codes)) == 1 else console.EXIT_SOME_FAILED
