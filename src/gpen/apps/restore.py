"""`gpen restore`: options to settings; photos and clips each to those who restore them."""

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

from . import complete
from .times import time_range

if TYPE_CHECKING:
    from .batch import Outcome

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

_CLIPS = "Clips"


def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Photos, clips, folders, patterns, or - for stdin."
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
        typer.Option(help="Name or path of the weights.", autocompletion=complete.restorers),
    ] = DEFAULT_MODEL,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Look for models in this folder first.", show_default=False),
    ] = None,
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="The inputs are face crops, squares; restore them whole."),
    ] = False,
    fusion: Annotated[
        bool,
        typer.Option(
            "--fusion/--no-fusion", help="Keep detail that can be trusted; restore the rest."
        ),
    ] = True,
    blend: Annotated[float, typer.Option(help="0 keeps the input, 1 is fully restored.")] = 1.0,
    upscale: Annotated[int, typer.Option(help="Enlarge the photo by 1, 2 or 4.")] = 1,
    faces: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="all, largest, left, right, center, numbers (0,2), like:PHOTO, "
            "in clips track:NUMBERS of `gpen tracks`.",
        ),
    ] = "all",
    min_face: Annotated[float, typer.Option(metavar="PX", help="Leave smaller faces alone.")] = 0,
    face_blend: Annotated[
        str, typer.Option(metavar="N=B,…", help="A blend of its own for some faces: 0=0.5,2=0.")
    ] = "",
    mask: Annotated[
        Literal["head", "face", "box"], typer.Option(help="Shape pasted back.")
    ] = "head",
    match_color: Annotated[
        bool, typer.Option("--match-color", help="Give restored faces the colour of the input.")
    ] = False,
    match_grain: Annotated[
        bool, typer.Option("--match-grain", help="Give restored faces the grain of the input.")
    ] = False,
    restore_color: Annotated[
        bool,
        typer.Option("--restore-color/--no-restore-color", help="Let grey faces become coloured."),
    ] = False,
    keep: Annotated[
        str, typer.Option(metavar="PARTS", help="Leave as they are: eyes,mouth,glasses.")
    ] = "",
    occlusion: Annotated[
        bool, typer.Option("--occlusion", help="Leave hands and things before a face alone.")
    ] = False,
    detector: Annotated[
        str, typer.Option(help="Name or path of a detector.", autocompletion=complete.detectors)
    ] = DEFAULT_DETECTOR,
    embedding: Annotated[
        str,
        typer.Option(
            help="Name or path of what tells people apart.", autocompletion=complete.embeddings
        ),
    ] = DEFAULT_EMBEDDING,
    engine: Annotated[
        Literal["auto", "openvino", "onnxruntime", "torch"], typer.Option(help="Runs the network.")
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
        Path | None, typer.Option(metavar="FILE.json", help="Write what was done, per input.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="png, jpg, webp, tiff, avif, heic …")
    ] = None,
    quality: Annotated[int | None, typer.Option(help="1-100, for formats with loss.")] = None,
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
        typer.Option(help="0: each frame by itself; 1: stillest.", rich_help_panel=_CLIPS),
    ] = 1.0,
    deflicker: Annotated[
        bool,
        typer.Option("--deflicker", help="Even out jumping brightness.", rich_help_panel=_CLIPS),
    ] = False,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="Begin at 90 or 1:30.", rich_help_panel=_CLIPS)
    ] = "0",
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="End there.", rich_help_panel=_CLIPS)
    ] = None,
    preview: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Only so much, to look.", rich_help_panel=_CLIPS),
    ] = None,
    codec: Annotated[
        Literal["auto", "h264", "h265", "av1", "vp9"],
        typer.Option(help="How pictures are stored.", rich_help_panel=_CLIPS),
    ] = "auto",
    crf: Annotated[
        int | None,
        typer.Option(help="Quality of the codec; lower is better.", rich_help_panel=_CLIPS),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Speed of the encoder.", rich_help_panel=_CLIPS)
    ] = None,
    frame_rate: Annotated[
        float, typer.Option(help="Of a folder of pictures.", rich_help_panel=_CLIPS)
    ] = 25.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace old results.")] = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Leave inputs that have a result and did not change."),
    ] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Folders in folders too.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Photos worked on at the same time.")] = 2,
) -> None:
    """Restore the faces in photos and clips."""
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
    """Photos first, then clips; the exit code: 0 all done, 1 some failed, 3 nothing was done."""
    from .batch import Options, write_report
    from .names import check_folder, split_clips

    clips, photos = split_clips(inputs, values["output"])
    if clips and photos:
        check_folder(values["output"])
    options = Options(**_fields_of(Options, {**values, "similarity": values["report"] is not None}))
    outcomes: list[Outcome] = []
    try:
        if photos or not clips:
            from .photos import restore_photos

            how = {name: values[name] for name in ("recursive", "jobs")}
            restore_photos(photos, values["output"], settings, outcomes, options, **how)
        if clips:
            from .clips import restore_clips

            restore_clips(clips, values["output"], settings, video, outcomes, options)
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
