"""`gpen evaluate`, as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer

from gpen.cli.evaluate import EPILOG, evaluate
from gpen.errors import OutputExistsError, ReadError, SettingsError, WeightsError, WriteError
from support.drawn_faces import textured
from support.pointwise import write_pointwise_model


def run(*arguments: str | Path) -> int:
    """The exit code of `gpen evaluate ARGUMENTS`; errors come as they are raised."""
    app = typer.Typer(rich_markup_mode="markdown")
    app.command(epilog=EPILOG)(evaluate)
    return int(app([str(a) for a in arguments], standalone_mode=False) or 0)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A folder with three drawn images of 64 px."""
    folder = tmp_path / "truth"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), textured((64, 64), seed=i))
    return folder


@pytest.fixture
def restored(tmp_path: Path, truth: Path) -> Path:
    """The same, one level too bright, named as gpen names its results."""
    folder = tmp_path / "restored"
    folder.mkdir()
    for path in truth.iterdir():
        brighter = cv2.add(cv2.imread(str(path)), np.full((64, 64, 3), 1, np.uint8))
        cv2.imwrite(str(folder / f"{path.stem}_gpen.png"), brighter)
    return folder


def _read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def test_pairs_are_measured_and_what_is_missing_is_named(
    truth: Path, restored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(restored, "--truth", truth, "--json", tmp_path / "out.json") == 0
    shown = capsys.readouterr().out
    assert "PSNR dB ↑" in shown
    assert "LPIPS: not measured: needs --lpips-backbone and --lpips-heads" in shown
    assert "FID: not measured: needs --features" in shown
    data = _read(tmp_path / "out.json")
    assert set(data["not_measured"]) == {"lpips", "identity", "fid", "kid"}
    (row,) = data["rows"]
    assert (row["image"], row["faces"], row["fid"]) == ("restored", 3, None)
    assert row["psnr"] == pytest.approx(48.13, abs=0.1)
    assert row["recall"] == 0  # nothing is a face here
    assert len(data["faces"]) == 3


def test_equal_pictures_have_an_infinite_psnr_that_json_can_hold(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(truth, "--truth", truth, "--json", tmp_path / "out.json") == 0
    assert "∞" in capsys.readouterr().out
    assert _read(tmp_path / "out.json")["rows"][0]["psnr"] == "inf"


def test_bad_pairs_are_skipped_counted_and_listed(
    truth: Path, restored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (restored / "0_gpen.png").write_bytes(b"no image")
    cv2.imwrite(str(restored / "1_gpen.png"), textured((32, 32)))
    cv2.imwrite(str(restored / "alone.png"), textured((64, 64)))
    assert run(restored, "--truth", truth, "--json", tmp_path / "out.json") == 1
    errors = capsys.readouterr().err
    assert "3 skipped" in errors
    assert "32 × 32 pixels; expected 64 × 64" in errors
    data = _read(tmp_path / "out.json")
    assert len(data["skipped"]) == 3
    assert data["rows"][0]["faces"] == 1


def test_nothing_measured_is_exit_code_3(truth: Path, restored: Path) -> None:
    for path in restored.iterdir():
        path.write_bytes(b"no image")
    assert run(restored, "--truth", truth) == 3


def test_models_and_bicubic_are_compared_on_faces_that_are_damaged_here(
    truth: Path, identity_model: Path, negative_model: Path, tmp_path: Path
) -> None:
    out, sheet, groups = (tmp_path / name for name in ("o.json", "s.png", "groups.csv"))
    groups.write_text("file,group\n0,a\n1,a\n2,b\n")
    features = write_pointwise_model(tmp_path / "features.onnx", "Identity")
    arguments = (
        truth, "--degrade", "mild", "--degrade", "hard", "--model", identity_model, "--model",
        negative_model, "--features", features, "--groups", groups, "--json", out,
        "--sheet", sheet,
    )  # fmt: skip
    assert run(*arguments) == 0
    data = _read(out)
    rows = {(row["damage"], row["image"]): row for row in data["rows"]}
    assert list(rows) == [
        (damage, image)
        for damage in ("mild", "hard")
        for image in ("bicubic", "identity", "negative")
    ]
    assert rows["mild", "identity"]["psnr"] == rows["mild", "bicubic"]["psnr"]
    assert rows["mild", "negative"]["psnr"] < rows["mild", "bicubic"]["psnr"]
    assert rows["hard", "bicubic"]["psnr"] < rows["mild", "bicubic"]["psnr"]
    assert rows["mild", "bicubic"]["fid"] < rows["mild", "negative"]["fid"]
    assert {row["group"] for row in data["groups"]} == {"a", "b"}
    drawn = cv2.imread(str(sheet))
    assert drawn.shape[1] == 5 * 256  # damaged, bicubic, two models, truth
    before = out.read_bytes(), sheet.read_bytes()
    with pytest.raises(OutputExistsError):
        run(*arguments)
    assert (out.read_bytes(), sheet.read_bytes()) == before
    assert run(*arguments, "--overwrite") == 0
    assert out.read_bytes() == before[0]  # the same seed, the same figures


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--json", "", "it is a folder"),
        ("--json", "truth/0.png/out.json", "expected a folder"),
        ("--sheet", "truth/0.png/sheet.png", "expected a folder"),
        ("--sheet", "sheet.doc", "expected one of .*png"),
    ],
)
def test_places_that_hold_no_file_are_refused_before_the_work(
    truth: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    name: str,
    message: str,
) -> None:
    monkeypatch.setattr("gpen.cli.evaluation_report.measure", lambda *_: pytest.fail("it began"))
    with pytest.raises(WriteError, match=message):
        run(truth, "--truth", truth, option, tmp_path / name)


def test_missing_folders_of_the_results_are_made(truth: Path, tmp_path: Path) -> None:
    out, sheet = tmp_path / "a" / "out.json", tmp_path / "b" / "c" / "sheet.png"
    assert run(truth, "--degrade", "mild", "--size", "64", "--json", out, "--sheet", sheet) == 0
    assert out.is_file()
    assert sheet.is_file()


def test_training_recipes_damage_too(truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run(truth, "--degrade", "published", "--size", "64", "--json", out) == 0
    assert _read(out)["rows"][0]["image"] == "bicubic"


def test_models_restore_damaged_faces_beside_their_truth(
    truth: Path, identity_model: Path, tmp_path: Path
) -> None:
    damaged, out = tmp_path / "damaged", tmp_path / "out.json"
    damaged.mkdir()
    for path in truth.iterdir():
        cv2.imwrite(str(damaged / path.name), cv2.resize(cv2.imread(str(path)), (16, 16)))
    assert run(damaged, "--truth", truth, "--model", identity_model, "--json", out) == 0
    assert [row["image"] for row in _read(out)["rows"]] == ["bicubic", "identity"]
    arguments = (damaged, "--truth", truth, "--model", identity_model, "--no-bicubic")
    assert run(*arguments, "--json", out, "--overwrite") == 0
    assert [row["image"] for row in _read(out)["rows"]] == ["identity"]


def test_folders_without_truth_are_measured_against_a_reference(
    truth: Path, restored: Path, tmp_path: Path
) -> None:
    features = write_pointwise_model(tmp_path / "features.onnx", "Identity")
    out = tmp_path / "out.json"
    arguments = ("--damaged", truth, "--reference", truth, "--features", features, "--json", out)
    assert run(restored, *arguments) == 0
    data = _read(out)
    rows = {row["image"]: row for row in data["rows"]}
    assert rows["bicubic"]["fid"] == pytest.approx(0, abs=1e-9)  # it is the reference here
    assert rows["restored"]["fid"] > 0
    assert data["not_measured"]["psnr"] == "needs --truth or --degrade"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--degrade", "mild", "--truth", "."), "leave --truth"),
        (("--model", "gpen-default-256", "--damaged", "."), "leave --damaged out"),
        (("--degrade", "awful"), "expected one of mild, medium, hard, published"),
        (("--truth", ".", "--metrics-dir", "nowhere"), "no folder"),
    ],
)
def test_contradictions_and_typos_are_named(
    truth: Path, arguments: tuple[str, ...], message: str
) -> None:
    arguments = tuple(str(truth) if a == "." else a for a in arguments)
    with pytest.raises(SettingsError, match=message):
        run(truth, *arguments)


def test_missing_folders_and_models_fail_at_once(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        run(tmp_path / "missing")
    with pytest.raises(WeightsError, match="no model"):
        run(truth, "--degrade", "mild", "--model", "missing")


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "gpen evaluate restored/ --truth clean/" in capsys.readouterr().out
