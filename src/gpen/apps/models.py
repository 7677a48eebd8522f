"""`gpen models`: what the folders hold."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from gpen import ModelInfo, list_models

from . import console


def show_models(models_dir: Path | None, *, as_json: bool) -> None:
    """Print every weight file found, as a table or as JSON."""
    with console.err.status("Reading weight files"):
        models = list_models(models_dir)
    if as_json:
        console.say(json.dumps([asdict(model) for model in models], indent=2, default=str))
        return
    table = Table(box=None, header_style="bold")
    for heading in ("name", "kind", "size", "dtype", "sha256", "file"):
        table.add_column(heading, overflow="fold")
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
        str(model.size or ""),
        model.dtype or "",
        (model.sha256 or "")[:12],
        str(model.path),
    )
