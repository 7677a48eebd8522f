"""Commands take their options from the table."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from gpen import Settings, VideoSettings
from gpen.cli import app, restore
from gpen.options import Option, options_of

TABLE = {**options_of(Settings), **options_of(VideoSettings)}
SHORT = {option.short_name: option for option in TABLE.values()}
#: Options of other meaning that bear the name of a setting.
OTHERS = {
    ("colorize", "model"),
    ("evaluate", "model"),
    ("get", "models_dir"),
    ("prepare", "min_face"),
    ("preview", "preset"),
    ("web", "max_pixels"),
}


def commands(command: Any) -> Iterator[Any]:
    children = getattr(command, "commands", {}).values()
    yield from (one for child in children for one in commands(child)) if children else [command]


ALL = {command.name: command for command in commands(typer.main.get_command(app.app))}


@pytest.mark.parametrize("option", TABLE.values(), ids=list(TABLE))
def test_restore_has_every_option(option: Option) -> None:
    (parameter,) = (one for one in ALL["restore"].params if one.name == option.short_name)
    assert parameter.rich_help_panel == option.group
    assert parameter.opts == [option.flag]
    assert parameter.is_flag == (option.kind == "boolean")
    assert bool(parameter.secondary_opts) == (option.default is True)
    hint = inspect.signature(restore.restore).parameters[option.short_name].annotation
    for choice in option.choices if option.kind == "choice" else ():
        assert str(choice) in f"{parameter.metavar} {hint.__origin__}"


@pytest.mark.parametrize("name", ALL)
def test_an_option_reads_alike_in_every_command(name: str) -> None:
    for parameter in ALL[name].params:
        option = SHORT.get(parameter.name)
        if option is not None and (name, parameter.name) not in OTHERS:
            assert parameter.help == option.help_at("cli")
            if option.unit != "s":
                assert parameter.default == option.default
