"""`gpen models`: lists the weight files that were found."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import console, models_get

if TYPE_CHECKING:
    from gpen import ModelInfo

app = typer.Typer(rich_markup_mode="markdown")


@app.callback(
    invoke_without_command=True,
    epilog="""
**Examples**

`gpen models` — what was found, and why a file is refused

`gpen models get` — what can be fetched
""",
)
def models(
    context: typer.Context,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Look for models in this folder first.", show_default=False),
    ] = None,
) -> None:
    """List the weight files that were found, what they are, and why a file is refused."""
    if context.invoked_subcommand is None:
        show_models(models_dir, as_json=json_)
    elif json_ or models_dir is not None:
        raise typer.BadParameter(f"options of {context.invoked_subcommand} go behind its name")


app.command(epilog=models_get.EPILOG)(models_get.get)


def show_models(models_dir: Path | None, *, as_json: bool) -> None:
    """Print every weight file found, as a table or as JSON."""
    from rich.table import Table

    from gpen import list_models

    with console.err.status("Reading weight files"):
        models = list_models(models_dir)
    if as_json:
        console.say(json.dumps([asdict(model) for model in models], indent=2, default=str))
        return
    table = Table(box=None, header_style="bold")
    for heading in ("name", "kind", "size", "dtype", "sha256", "from", "file"):
        # A name is what one types; it stays in one piece on narrow terminals.
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for model in models:
        table.add_row(*_row(model), style=None if model.usable else "dim")
    console.out.print(table)
    for model in models:
        if not model.usable:
            console.say(f"not usable: {model.reason}", style="yellow")


def _row(model: ModelInfo) -> tuple[str, ...]:
    return (
        model.name,
        model.kind,
        f"×{model.factor}" if model.factor else str(model.size or ""),
        model.dtype or "",
        (model.sha256 or "")[:12],
        model.source,
        model.path.name,
    )
