"""The manual page: every command and option is in it, and no formatter stumbles."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gpen.apps import cli, man


@pytest.fixture(scope="module")
def page() -> str:
    return "\n".join(man.manual(typer.main.get_command(cli.app))) + "\n"


def plain(page: str) -> str:
    return page.replace(r"\-", "-")


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, child in getattr(command, "commands", {}).items():
        yield from leaves(child, f"{name} {word}")


def test_the_command_prints_it(page: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["man"])
    assert not exit_.value.code
    assert capfd.readouterr().out == page


def test_every_command_and_option_is_in_it(page: str) -> None:
    text = plain(page)
    root = typer.main.get_command(cli.app)
    found = 0
    for name, command in leaves(root, "gpen"):
        if name in ("gpen", "gpen data"):  # which only lead to others
            continue
        start = text.index(f".SS {name}\n")
        part = text[start : text.find("\n.SS ", start + 1)]
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert rf"\fB{parameter.opts[0]}\fR" in part, (name, parameter.opts)
                found += 1
    assert found > 60
    for mark in (".SH EXIT STATUS", "GPEN_MODELS", r"\fB130\fR", r"\fIface|box\fR"):
        assert mark in text


def test_words_that_roff_would_obey_are_text() -> None:
    app = typer.Typer(help="'quoted' and .TH at the start, a \\backslash and — a dash; é.")

    @app.callback()
    def root() -> None:
        """Replaced by the help above."""

    @app.command()
    def one(path: str) -> None:
        """.SH is no heading here."""

    lines = list(man.manual(typer.main.get_command(app)))
    assert r"\&'quoted' and .TH at the start, a \ebackslash and \(em a dash; \[u00E9]." in lines
    assert r"\&.SH is no heading here." in lines
    assert "\n".join(lines).isascii()


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
def test_groff_has_nothing_to_warn_of(page: str) -> None:
    command = ["groff", "-man", "-Tutf8", "-ww"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "for which hosts it does not." in done.stdout


@pytest.mark.skipif(shutil.which("man") is None, reason="no man")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_man_shows_it_on_any_terminal(page: str, tmp_path: Path, locale: str) -> None:
    path = tmp_path / "gpen.1"
    path.write_text(page)
    command = ["man", "--warnings=w", "-l", str(path)]
    done = subprocess.run(
        command, env=os.environ | {"LC_ALL": locale}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "gpen - restore faces in photos and clips" in done.stdout
