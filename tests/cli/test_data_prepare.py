"""`gpen data prepare` as a person types it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gpen.cli import console, data_prepare
from gpen.errors import OutputExistsError, ReadError, SettingsError
from gpen.training.prepare import Options


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer(rich_markup_mode="markdown")
    app.command(epilog=data_prepare.EPILOG)(data_prepare.prepare)
    return app


def run(app: typer.Typer, *arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def album(tmp_path: Path, portrait: Path) -> Path:
    (tmp_path / "album").mkdir()
    shutil.copy(portrait, tmp_path / "album")
    return tmp_path / "album"


def test_help_shows_examples_and_every_option(app: typer.Typer) -> None:
    result = run(app, "--help")
    assert "gpen data prepare photos/ faces/" in result.output
    for option in ("--min-sharpness", "--identities", "--overwrite", "--jobs"):
        assert option in result.output


def test_defaults_are_those_of_the_options() -> None:
    parameters = inspect.signature(data_prepare.prepare).parameters
    for field in dataclasses.fields(Options):
        if field.name != "identity_from_folder":
            assert parameters[field.name].default == field.default, field.name


def test_faces_are_made_and_a_table_is_printed(
    app: typer.Typer, album: Path, tmp_path: Path
) -> None:
    target = tmp_path / "faces"
    result = run(app, album, target, "--size", "128", "--val-share", "0")
    assert result.exit_code == console.EXIT_OK
    assert (target / "train" / "000000.tar").is_file()
    assert re.search(r"kept, train +1 of 1", result.output)
    assert "sheet.jpg" in result.output
    result = run(app, album, target, "--size", "128", "--val-share", "0")
    assert result.exit_code == console.EXIT_OK
    assert "complete already" in result.output


def test_a_photo_that_cannot_be_read_gives_1(app: typer.Typer, album: Path, tmp_path: Path) -> None:
    (album / "text.jpg").write_text("not an image")
    result = run(app, album, tmp_path / "faces", "--size", "128")
    assert result.exit_code == console.EXIT_SOME_FAILED
    assert "text.jpg" in result.output


def test_no_face_gives_3_and_says_so(app: typer.Typer, album: Path, tmp_path: Path) -> None:
    result = run(app, album, tmp_path / "faces", "--size", "1024")
    assert result.exit_code == console.EXIT_NOTHING_DONE
    assert "no face was kept" in result.output


def test_bad_arguments_are_named(app: typer.Typer, album: Path, tmp_path: Path) -> None:
    assert run(app, album, tmp_path / "faces", "--identity-from", "name").exit_code == 2
    assert run(app, album).exit_code == 2
    with pytest.raises(SettingsError, match="val_share"):
        run(app, album, tmp_path / "faces", "--val-share", "2")
    with pytest.raises(ReadError, match="no photo"):
        run(app, tmp_path / "gone", tmp_path / "faces")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(OutputExistsError, match="other files"):
        run(app, album, album.parent / "other")
