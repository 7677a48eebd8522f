"""The command line: registers the commands and maps errors to exit codes.

Heavy modules are imported inside the commands, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

import gpen
from gpen.errors import GpenError

from . import (
    batch,
    cache,
    colorize,
    compare,
    console,
    convert,
    data_prepare,
    data_preview,
    detect,
    doctor,
    evaluate,
    models,
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


app.command(epilog=colorize.EPILOG)(colorize.colorize)
app.command(epilog=detect.EPILOG)(detect.detect)
app.command(epilog=convert.EPILOG)(convert.convert)
app.add_typer(models.app, name="models")
app.command(epilog=tracks.EPILOG)(tracks.tracks)
app.command(epilog=compare.EPILOG)(compare.compare)
app.command(epilog=batch.EPILOG)(batch.batch)
app.command(epilog=cache.EPILOG)(cache.cache)
app.command(epilog=web.EPILOG)(web.web)
app.command(epilog=doctor.EPILOG)(doctor.doctor)
app.command(epilog=train.EPILOG)(train.train)
app.command(epilog=evaluate.EPILOG)(evaluate.evaluate)
data = typer.Typer(
    help="Prepare and preview training faces.", no_args_is_help=True, rich_markup_mode="markdown"
)
data.command(epilog=data_prepare.EPILOG)(data_prepare.prepare)
data.command(epilog=data_preview.EPILOG)(data_preview.preview)
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
