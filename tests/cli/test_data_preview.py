"""`gpen data preview`: sheets of damaged faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

pytest.importorskip("av")

from gpen.cli.data_preview import EPILOG, preview
from gpen.errors import ConfigError, OutputExistsError, TrainingError
from gpen.training.degradation import CATALOGUE
from gpen.training.degradation.preview_sheet import preset_columns, sheet_rows, step_columns

GAP, BAND = 2, 26

app = typer.Typer()
app.command(epilog=EPILOG)(preview)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder of five faces, each of one colour with some texture."""
    folder = tmp_path / "faces"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        pixels = random.integers(0, 40, (48, 48, 3)) + 40 * number
        cv2.imwrite(str(folder / f"{number}.png"), pixels.astype(np.uint8))
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def size_of(path: Path) -> tuple[int, int]:
    """Width and height."""
    height, width = cv2.imread(str(path)).shape[:2]
    return width, height


def test_sheet_has_a_row_per_face_and_a_column_per_draw(faces: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    options = ("--preset", "real", "--preset", "published", "--draws", "2", "--count", "3")
    result = run(faces, *options, "--size", "40", "-o", sheet)
    assert result.exit_code == 0
    assert "3 faces × 4 columns" in result.output
    assert size_of(sheet) == (5 * (40 + GAP), BAND + GAP + 3 * (40 + GAP))


def test_steps_have_a_column_each(faces: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert run(faces, "--steps", "--count", "1", "--size", "32", "-o", sheet).exit_code == 0
    assert size_of(sheet)[0] == (len(CATALOGUE) + 1) * (32 + GAP)


def test_same_seed_draws_the_same_sheet(faces: Path, tmp_path: Path) -> None:
    drawn = []
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        sheet = tmp_path / name
        run(faces, "--preset", "real", "--size", "32", "--seed", seed, "-o", sheet)
        drawn.append(sheet.read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]


def test_first_column_shows_the_faces_as_they_are() -> None:
    face = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    _, row = sheet_rows([face], preset_columns(["published"], 1), seed=0)
    assert np.array_equal(row[:32, :32], face)
    assert not np.array_equal(row[:32, 32 + GAP : 64 + GAP], face)


def test_more_columns_leave_the_others_as_they_were() -> None:
    face = np.full((32, 32, 3), 100, np.uint8)
    few, many = (
        list(sheet_rows([face], preset_columns(["real"], draws), seed=3))[1] for draws in (1, 3)
    )
    assert np.array_equal(many[:, : few.shape[1]], few)


def test_steps_at_their_harmless_end_show_the_face() -> None:
    face = np.full((32, 32, 3), 100, np.uint8)
    row = list(sheet_rows([face], step_columns(place=0.0), seed=0))[1]
    assert np.abs(row[:32, :32].astype(int) - 100).max() <= 2


def test_a_picture_is_taken_by_its_middle_square(tmp_path: Path) -> None:
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    cv2.imwrite(str(tmp_path / "wide.png"), pixels)
    sheet = tmp_path / "sheet.png"
    run(tmp_path / "wide.png", "--preset", "published", "--size", "40", "-o", sheet)
    drawn = cv2.imread(str(sheet))
    assert (drawn[BAND + GAP : BAND + GAP + 40, :40] == 200).all()


def test_an_existing_sheet_is_replaced_only_when_asked(faces: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"mine")
    refused = run(faces, "-o", sheet, "--size", "32")
    assert isinstance(refused.exception, OutputExistsError)
    assert sheet.read_bytes() == b"mine"
    assert run(faces, "-o", sheet, "--size", "32", "--overwrite").exit_code == 0
    assert size_of(sheet)[0] == 16 * (32 + GAP)


def test_a_source_of_no_use_is_named_and_the_others_are_drawn(faces: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    (faces / "broken.png").write_bytes(b"no image")
    result = run(faces, tmp_path / "nowhere", "--preset", "published", "-o", sheet, "--size", "32")
    assert result.exit_code == 1
    assert "broken.png" in result.output
    assert "nowhere" in result.output
    assert sheet.exists()


def test_sources_without_faces_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", "-o", tmp_path / "sheet.png")
    assert isinstance(result.exception, TrainingError)
    assert not (tmp_path / "sheet.png").exists()


def test_unknown_preset_is_named_before_anything_is_read(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "--preset", "reel", "-o", tmp_path / "sheet.png")
    assert isinstance(result.exception, ConfigError)
    assert "did you mean real" in str(result.exception)


def test_steps_and_preset_exclude_each_other(faces: Path) -> None:
    assert run(faces, "--steps", "--preset", "real").exit_code == 2


def test_help_shows_examples() -> None:
    assert "gpen data preview faces/val" in run("--help").output
