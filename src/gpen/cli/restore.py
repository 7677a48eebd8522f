"""`gpen restore`: restores photos and videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gpen.settings import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDING,
    DEFAULT_MODEL,
    Settings,
    VideoSettings,
)

from . import completion
from .time_arguments import time_range

if TYPE_CHECKING:
    from .restore_inputs import Outcome

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

_VIDEOS = "Videos"


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
    model: Annotated[
        str,
        typer.Option(help="Name or path of the weights.", autocompletion=completion.restorers),
    ] = DEFAULT_MODEL,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Look for models in this folder first.", show_default=False),
    ] = None,
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="Inputs are aligned face crops; restore them whole."),
    ] = False,
    fusion: Annotated[
        bool,
        typer.Option(
            "--fusion/--no-fusion", help="Keep the detail that is still good; restore the rest."
        ),
    ] = True,
    blend: Annotated[float, typer.Option(help="0 keeps the input, 1 is fully restored.")] = 1.0,
    upscale: Annotated[int, typer.Option(help="Enlarge the photo by 1, 2 or 4.")] = 1,
    faces: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="all, largest, left, right, center, numbers (0,2), like:PHOTO, "
            "in videos track:NUMBERS of `gpen tracks`.",
        ),
    ] = "all",
    min_face: Annotated[
        float, typer.Option(metavar="PX", help="Skip faces smaller than this.")
    ] = 0,
    face_blend: Annotated[
        str, typer.Option(metavar="N=B,…", help="Blend of single faces: 0=0.5,2=0.")
    ] = "",
    mask: Annotated[
        Literal["head", "face", "box"], typer.Option(help="Shape of the pasted area.")
    ] = "head",
    match_color: Annotated[
        bool, typer.Option("--match-color", help="Give restored faces the colour of the input.")
    ] = False,
    match_grain: Annotated[
        bool, typer.Option("--match-grain", help="Give restored faces the grain of the input.")
    ] = False,
    restore_color: Annotated[
        bool,
        typer.Option("--restore-color/--no-restore-color", help="Colourise grey faces."),
    ] = False,
    keep: Annotated[
        str, typer.Option(metavar="PARTS", help="Parts to keep as they are: eyes,mouth,glasses.")
    ] = "",
    occlusion: Annotated[
        bool,
        typer.Option("--occlusion", help="Keep hands and objects in front of a face as they are."),
    ] = False,
    detector: Annotated[
        str, typer.Option(help="Name or path of a detector.", autocompletion=completion.detectors)
    ] = DEFAULT_DETECTOR,
    embedding: Annotated[
        str,
        typer.Option(
            help="Name or path of the face embedding.", autocompletion=completion.embeddings
        ),
    ] = DEFAULT_EMBEDDING,
    engine: Annotated[
        Literal["auto", "openvino", "onnxruntime", "torch"],
        typer.Option(help="Library that runs the network."),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "f32", "bf16", "f16"], typer.Option(help="Arithmetic of the network.")
    ] = "auto",
    save_faces: Annotated[
        bool, typer.Option("--save-faces", help="Also write each face: crop beside result.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write input and result side by side.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write a report of every input.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="png, jpg, webp, tiff, avif, heic …")
    ] = None,
    quality: Annotated[int | None, typer.Option(help="1-100, for lossy formats.")] = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="Leave EXIF, XMP, IPTC and texts out.")
    ] = False,
    keep_time: Annotated[
        bool, typer.Option("--keep-time", help="Give results the time of their inputs.")
    ] = False,
    max_pixels: Annotated[
        int, typer.Option(help="Refuse larger photos (decompression bombs).")
    ] = 250_000_000,
    stabilise: Annotated[
        float,
        typer.Option(
            help="0 restores each frame on its own; 1 steadies most.", rich_help_panel=_VIDEOS
        ),
    ] = 1.0,
    deflicker: Annotated[
        bool,
        typer.Option("--deflicker", help="Even out brightness flicker.", rich_help_panel=_VIDEOS),
    ] = False,
    start: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Start time, such as 90 or 1:30.", rich_help_panel=_VIDEOS
        ),
    ] = "0",
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="End time.", rich_help_panel=_VIDEOS)
    ] = None,
    preview: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Process only the first seconds.", rich_help_panel=_VIDEOS
        ),
    ] = None,
    codec: Annotated[
        Literal["auto", "h264", "h265", "av1", "vp9"],
        typer.Option(help="Video codec.", rich_help_panel=_VIDEOS),
    ] = "auto",
    crf: Annotated[
        int | None,
        typer.Option(
            help="Constant rate factor of the codec; lower is better.", rich_help_panel=_VIDEOS
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Speed of the encoder.", rich_help_panel=_VIDEOS)
    ] = None,
    frame_rate: Annotated[
        float,
        typer.Option(help="Frames per second of a folder of images.", rich_help_panel=_VIDEOS),
    ] = 25.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing results.")
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing", help="Skip inputs that have a result and have not changed."
        ),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Search subfolders as well.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Photos restored at the same time.")] = 2,
) -> None:
    """Restore the faces in photos and videos."""
    values = {name.rstrip("_"): value for name, value in locals().items()}
    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
    settings = Settings(**_fields_of(Settings, values))
    values["start_s"], values["end_s"] = time_range(start, end, preview)
    video = VideoSettings(**_fields_of(VideoSettings, values))
    raise typer.Exit(_run(inputs, settings, video, values))


def _run(
    inputs: list[str], settings: Settings, video: VideoSettings, values: Mapping[str, Any]
) -> int:
    """Photos first, then videos; the exit code: 0 all done, 1 some failed, 3 nothing was done."""
    from .output_names import check_folder, split_videos
    from .restore_inputs import Options, write_report

    videos, photos = split_videos(inputs, values["output"])
    if videos and photos:
        check_folder(values["output"])
    options = Options(**_fields_of(Options, {**values, "similarity": values["report"] is not None}))
    outcomes: list[Outcome] = []
    try:
        if photos or not videos:
            from .restore_images import restore_photos

            how = {name: values[name] for name in ("recursive", "jobs")}
            restore_photos(photos, values["output"], settings, outcomes, options, **how)
        if videos:
            from .restore_videos import restore_videos

            restore_videos(videos, values["output"], settings, video, outcomes, options)
    finally:
        if values["report"] is not None:
            write_report(values["report"], outcomes, dataclasses.asdict(settings))
    return _summary(outcomes)


def _summary(outcomes: Sequence[Outcome]) -> int:
    """The count of all inputs, for a person, and the exit code."""
    from . import console

    failed = sum(1 for outcome in outcomes if outcome.status == "failed")
    if len(outcomes) > 1:
        done = len(outcomes) - failed
        console.say(f"{done} of {len(outcomes)} done, {failed} failed", to=console.err)
    if not failed:
        return console.EXIT_OK
    return console.EXIT_NOTHING_DONE if failed == len(outcomes) else console.EXIT_SOME_FAILED


def _fields_of(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in dataclasses.fields(kind)}
