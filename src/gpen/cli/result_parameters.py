"""Parameters of commands that write a result for each input, read alike in all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", help="A file for one input, else a folder; - for standard output."
    ),
]
SaveFaces = Annotated[
    bool, typer.Option("--save-faces", help="Also write each face: crop beside result.")
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Also write input and result side by side.")
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE.json", help="Write a report of every input.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
SkipExisting = Annotated[
    bool,
    typer.Option("--skip-existing", help="Skip inputs that have a result and have not changed."),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Search subfolders as well.")]


def refuse_both(*, overwrite: bool, skip_existing: bool) -> None:
    """Refuse two options that ask for opposite things.

    Raises:
        typer.BadParameter: Both are given.
    """
    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
