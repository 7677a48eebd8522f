"""`gpen colorize`: colours the faces of grey photos."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen.options import options_of
from gpen.settings import COLORING_MODEL, ColorSettings, Settings

from .option_parameters import values_of, with_options
from .restore import summary
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

if TYPE_CHECKING:
    from .restore_inputs import Outcome

EPILOG = """
**Examples**

`gpen models get GPEN-Colorization-1024` — the network, under its authors' licence

`gpen colorize grey.jpg` — writes grey_gpen.jpg beside it

`gpen colorize album/ -o coloured/ --saturation 0.8 --recursive`

`gpen colorize crop.png --aligned --model ~/weights/GPEN-Colorization-1024.pth`
"""
#: Options of `gpen restore` that mean nothing for colours.
_OTHERS = (
    *("fusion", "upscale", "restore_color", "match_color", "match_grain"),
    *("model", "background", "background_denoise", "keep"),
)
_SETTINGS = [name for name in options_of(Settings) if name not in _OTHERS]


@with_options(*options_of(ColorSettings), *_SETTINGS, grouped=True)
def colorize(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Photos, folders, patterns, or - for stdin."),
    ],
    output: Output = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Name or path of the weights that colour faces.")
    ] = COLORING_MODEL,
    save_faces: SaveFaces = False,
    compare: Compare = False,
    report: Report = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    recursive: Recursive = False,
    jobs: Annotated[int, typer.Option(min=1, help="Photos coloured at the same time.")] = 2,
    **options: Any,
) -> None:
    """Colour the faces in grey photos; their light stays as it is."""
    from gpen import Colorizer

    from .restore_extras import Options
    from .restore_images import restore_photos
    from .restore_inputs import write_report

    refuse_both(overwrite=overwrite, skip_existing=skip_existing)
    colorizer = Colorizer(
        model=model, **values_of(Settings, options), **values_of(ColorSettings, options)
    )
    how = Options(
        overwrite=overwrite, skip_existing=skip_existing, save_faces=save_faces, compare=compare
    )
    outcomes: list[Outcome] = []
    try:
        restore_photos(inputs, output, colorizer, outcomes, how, recursive=recursive, jobs=jobs)
    finally:
        if report is not None:
            settings = dataclasses.asdict(colorizer.settings)
            write_report(report, outcomes, settings | dataclasses.asdict(colorizer.colors))
    raise typer.Exit(summary(outcomes))
