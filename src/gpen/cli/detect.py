"""`gpen detect`: finds the faces in photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import gpen
from gpen.settings import DEFAULT_DETECTOR

from . import completion

EPILOG = """
**Examples**

`gpen detect group.jpg --draw found.jpg`

`gpen detect photos/ --json > faces.jsonl`
"""


def detect(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Photos, folders, patterns.")
    ],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    draw: Annotated[
        Path | None,
        typer.Option(help="Write the photo with faces drawn: a file, or a folder for many."),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="Name or path of a detector.", autocompletion=completion.detectors)
    ] = DEFAULT_DETECTOR,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Look for models in this folder first.", show_default=False),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Search subfolders as well.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing drawings.")
    ] = False,
) -> None:
    """Find the faces in photos: boxes, five points, scores; largest first."""
    from .detect_images import detect_photos

    code = detect_photos(
        inputs,
        gpen.Settings(detector=detector, models_dir=models_dir),
        as_json=json_,
        draw=draw,
        recursive=recursive,
        overwrite=overwrite,
    )
    raise typer.Exit(code)
