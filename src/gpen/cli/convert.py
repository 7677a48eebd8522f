"""`gpen convert`: converts weight files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import gpen

from . import console

EPILOG = """
**Examples**

`gpen convert GPEN-BFR-512.pth GPEN-BFR-512.onnx`

`gpen convert GPEN-BFR-512.pth gpen_bfr_512.onnx --half --hash` — with facefusion's .hash file

`gpen convert GPEN-BFR-512 ~/facefusion/.assets/models --for facefusion` — under the name it knows
"""


def convert(
    source: Annotated[Path, typer.Argument(help="A .pth, .pt, .safetensors or .onnx file.")],
    target: Annotated[
        Path, typer.Argument(help="A .pth, .safetensors or .onnx file; with --for a folder.")
    ],
    for_: Annotated[
        Literal["facefusion", "reactor", "visomaster"] | None,
        typer.Option("--for", help="Name and shape the file as this program wants it."),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store numbers as 16-bit floats.")] = False,
    hash_: Annotated[
        bool, typer.Option("--hash", help="Also write the CRC32 file that facefusion wants.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the target.")] = False,
) -> None:
    """Convert a weight file to another format."""
    with console.err.status(f"Converting {source.name}"):
        if for_ is None:
            written = gpen.convert(source, target, half=half, write_hash=hash_, overwrite=overwrite)
        else:
            from gpen.integrations.peers import export_for

            written = export_for(for_, source, target, half=half, overwrite=overwrite)
    console.say(f"{written} · {written.stat().st_size / 2**20:.1f} MiB")
