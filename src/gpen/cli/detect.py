"""`gpen detect`: finds the faces in photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import gpen

from .option_parameters import with_options
from .result_parameters import Recursive

EPILOG = """
**Examples**

`gpen detect group.jpg --draw found.jpg`

`gpen detect photos/ --json > faces.jsonl`
"""


@with_options("detector", "models_dir")
def detect(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Photos, folders, patterns.")
    ],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    draw: Annotated[
        Path | None,
        typer.Option(help="Write the photo with faces drawn: a file, or a folder for many."),
    ] = None,
    recursive: Recursive = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing drawings.")
    ] = False,
    **options: Any,
) -> None:
    """Find the faces in photos: boxes, five points, scores; largest first."""
    from .detect_images import detect_photos

    code = detect_photos(
        inputs,
        gpen.Settings(**options),
        as_json=json_,
        draw=draw,
        recursive=recursive,
        overwrite=overwrite,
    )
    raise typer.Exit(code)
