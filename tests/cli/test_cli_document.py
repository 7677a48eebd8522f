"""docs/cli.md, which typer writes from the commands, is of these commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from gpen.cli import app

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
WRITE_IT = (
    "write it anew: python -m typer gpen.cli.app utils docs --name gpen --title 'Command line' "
    "--output docs/cli.md"
)


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if name != "gpen":
        yield name, command
    for word, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {word}")


def test_every_command_is_described_with_all_its_options_and_no_others() -> None:
    parts = re.split(r"^#+ `(gpen [\w -]+)`$", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    described = dict(zip(parts[1::2], parts[2::2], strict=True))
    known = dict(commands(typer.main.get_command(app.app), "gpen"))
    assert set(described) == set(known), WRITE_IT
    for name, command in known.items():
        listed = set(
            re.findall(r"(--[\w-]+)", " ".join(re.findall(r"^\* `(-.*?)`", described[name], re.M)))
        )
        options = {
            flag
            for parameter in command.params
            if parameter.param_type_name == "option" and not parameter.hidden
            for flag in (*parameter.opts, *parameter.secondary_opts)
            if flag.startswith("--")
        }
        assert listed - {"--help"} == options, f"{name}: {WRITE_IT}"
        assert " ".join(command.help.split()) in " ".join(described[name].split()), WRITE_IT
