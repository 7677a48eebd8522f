"""The command line: parse, call, present. No pixels are touched here.

Heavy modules are imported inside the commands, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import gpen
from gpen.errors import GpenError
from gpen.settings import DEFAULT_DETECTOR

from . import (
    batch_cluster,
    cache,
    compare,
    complete,
    console,
    doctor,
    evaluate,
    models,
    prepare,
    preview,
    restore,
    tracks,
    train,
    web,
)

app = typer.Typer(
    name="gpen",
    help="Face restoration: turns a blurred, tiny, old or compressed face into a sharp one.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Bad options and arguments; where click lies depends on the version of typer.
_UsageError: Any = typer.BadParameter.__base__

ModelsDir = Annotated[
    Path | None,
    typer.Option(help="Look for models in this folder first.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        console.say(f"gpen {gpen.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens.")] = False,
) -> None:
    del version
    console.setup_logging(verbose=verbose)


app.command(epilog=restore.EPILOG)(restore.restore)


@app.command(
    epilog="""
**Examples**

`gpen detect group.jpg --draw found.jpg`

`gpen detect photos/ --json > faces.jsonl`
"""
)
def detect(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Photos, folders, patterns.")
    ],
    json_: Json = False,
    draw: Annotated[
        Path | None,
        typer.Option(help="Write the photo with faces drawn: a file, or a folder for many."),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="Name or path of a detector.", autocompletion=complete.detectors)
    ] = DEFAULT_DETECTOR,
    models_dir: ModelsDir = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Folders in folders too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace drawings.")] = False,
) -> None:
    """Find the faces in photos: boxes, five points, scores; largest first."""
    from .detect import detect_photos

    code = detect_photos(
        inputs,
        gpen.Settings(detector=detector, models_dir=models_dir),
        as_json=json_,
        draw=draw,
        recursive=recursive,
        overwrite=overwrite,
    )
    raise typer.Exit(code)


@app.command(
    epilog="""
**Examples**

`gpen convert GPEN-BFR-512.pth GPEN-BFR-512.onnx`

`gpen convert GPEN-BFR-512.pth gpen_bfr_512.onnx --half --hash` — with facefusion's .hash file

`gpen convert GPEN-BFR-512 ~/facefusion/.assets/models --for facefusion` — under the name it knows
"""
)
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
    """Turn a weight file into another kind."""
    with console.err.status(f"Converting {source.name}"):
        if for_ is None:
            written = gpen.convert(source, target, half=half, write_hash=hash_, overwrite=overwrite)
        else:
            from gpen.integrations.peers import export_for

            written = export_for(for_, source, target, half=half, overwrite=overwrite)
    console.say(f"{written} · {written.stat().st_size / 2**20:.1f} MiB")


app.add_typer(models.app, name="models")
app.command(epilog=tracks.EPILOG)(tracks.tracks)
app.command(epilog=compare.EPILOG)(compare.compare)
app.command("batch", epilog=batch_cluster.EPILOG)(batch_cluster.command_like(restore.restore))
app.command(epilog=cache.EPILOG)(cache.cache)
app.command(epilog=web.EPILOG)(web.web)
app.command(epilog=doctor.EPILOG)(doctor.doctor)
app.command(epilog=train.EPILOG)(train.train)
app.command(epilog=evaluate.EPILOG)(evaluate.evaluate)
data = typer.Typer(
    help="Make and look at faces to train on.", no_args_is_help=True, rich_markup_mode="markdown"
)
data.command(epilog=prepare.EPILOG)(prepare.prepare)
data.command(epilog=preview.EPILOG)(preview.preview)
app.add_typer(data, name="data")


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and end the process with its exit code."""
    console.bear_any_text()
    try:
        code = app(arguments, standalone_mode=False)
    except GpenError as error:
        console.complain(str(error))
        code = (
            console.EXIT_USAGE
            if isinstance(error, gpen.SettingsError)
            else console.EXIT_NOTHING_DONE
        )
    except (KeyboardInterrupt, typer.Abort):
        code = console.EXIT_INTERRUPTED
    except _UsageError as error:
        error.show(sys.stderr)
        code = console.EXIT_USAGE
    if code == console.EXIT_INTERRUPTED:  # some versions of typer return it, others raise
        console.complain("interrupted; finished results are kept")
    sys.exit(code)
