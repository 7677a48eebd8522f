"""The pages about training and evaluation name commands and settings that exist."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gpen.cli.app import app
from gpen.cli.train import _config_path
from gpen.training.config import Config, Stage
from gpen.training.config_file import load_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/training.md", "docs/evaluation.md")


def commands(page: str) -> list[list[str]]:
    """The lines of a page's shell blocks, as words, without comments."""
    blocks = re.findall(r"^```sh[^\n]*\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    lines = "".join(blocks).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def gpen_commands(page: str) -> Iterator[list[str]]:
    """What follows `gpen` in each line that runs it, under a launcher too."""
    for words in commands(page):
        if "gpen" in words:
            yield words[words.index("gpen") + 1 :]


def parsed(words: list[str]) -> dict[str, Any]:
    """Options and arguments, as the command line reads them.

    Raises:
        UsageError: There is no such command or option, or an argument is missing.
    """
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    values: dict[str, Any] = command.make_context("gpen", list(words)).params
    return values


@pytest.mark.parametrize("page", PAGES)
def test_commands_can_be_typed(page: str) -> None:
    found = list(gpen_commands(page))
    assert len(found) >= 4
    for words in found:
        parsed(words)


def test_typos_in_commands_would_be_found() -> None:
    for words in (["train", "default", "--dryrun"], ["evaluate"], ["data", "prepare", "photos/"]):
        with pytest.raises(typer.BadParameter.__base__):
            parsed(words)


def test_settings_in_commands_exist_and_do_not_contradict_each_other() -> None:
    trained = [words for words in gpen_commands("docs/training.md") if words[0] == "train"]
    assert len(trained) >= 6
    for words in trained:
        values = parsed(words)
        config = _config_path(values["config"])
        prior = [f"network.prior={values['prior']}"] if values["prior"] else []
        path = config if config.exists() else ROOT / "configs" / "default.toml"
        load_config(path, [*(values["overrides"] or []), *prior])


def test_files_in_commands_exist() -> None:
    scripts = [w[1] for page in PAGES for w in commands(page) if w[0] == "python"]
    assert scripts
    for script in scripts:
        assert (ROOT / script).is_file(), script


def test_every_setting_is_in_the_table() -> None:
    text = (ROOT / "docs/training.md").read_text()
    rows = dict(re.findall(r"^\| (?:`(\w+)`|\(top\)) \| (.*) \|$", text, re.M))
    tables = {"stages": Stage}
    top = []
    for item in dataclasses.fields(Config):
        if dataclasses.is_dataclass(item.default_factory):
            tables[item.name] = item.default_factory
        elif item.name not in tables:
            top.append(item.name)
    for name, keys in {
        "": top,
        **{name: [f.name for f in dataclasses.fields(kind)] for name, kind in tables.items()},
    }.items():
        listed = re.findall(r"`(\w+)`", rows[name])
        assert listed
        assert set(listed) == set(keys), name
