"""The command line as a person types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

import gpen
from gpen.cli import console
from gpen.models import ASSETS

Run = Callable[..., tuple[int, str, str]]


def size_of(path: Path) -> tuple[int, int]:
    """Width and height, after decoding every pixel."""
    with PILImage.open(path) as image:
        image.load()
        return image.size


def format_of(path: Path) -> str | None:
    with PILImage.open(path) as image:
        return image.format


@pytest.fixture
def run(run_gpen: Run) -> Run:
    """Run gpen in this process; gives exit code, standard output, standard error."""

    return run_gpen


@pytest.fixture
def photo(tmp_path: Path, demo_photo: Path) -> Path:
    """The demo photo in a folder of its own."""
    path = tmp_path / "photos" / "grand mère.jpg"
    path.parent.mkdir()
    path.write_bytes(demo_photo.read_bytes())
    return path


@pytest.fixture
def blank(photo: Path) -> Path:
    """A photo without a face, in the same folder."""
    path = photo.with_name("blank.png")
    PILImage.new("RGB", (120, 90), (40, 80, 120)).save(path)
    return path


def test_writes_the_result_beside_the_input(run: Run, photo: Path) -> None:
    code, out, _ = run("restore", photo)
    result = photo.with_name("grand mère_gpen.jpg")
    assert code == 0
    assert result.exists()
    assert "1 face" in out
    assert size_of(result) == size_of(photo)


def test_output_may_be_a_file(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("restore", photo, "-o", tmp_path / "out.png")[0] == 0
    assert format_of(tmp_path / "out.png") == "PNG"


def test_restores_a_folder_into_a_folder(
    run: Run, photo: Path, blank: Path, tmp_path: Path
) -> None:
    code, out, err = run("restore", photo.parent, "-o", tmp_path / "new")
    assert code == 0
    assert sorted(path.stem for path in (tmp_path / "new").glob("[!.]*")) == [
        blank.stem + "_gpen",
        photo.stem + "_gpen",
    ]
    assert "no face found, pixels kept" in out
    assert "2 of 2 done, 0 failed" in err


def test_one_bad_file_never_stops_the_rest(run: Run, photo: Path) -> None:
    bad = photo.with_name("a bad.jpg")
    bad.write_text("not a photo")
    code, out, err = run("restore", bad, photo, photo.with_name("absent.jpg"))
    assert code == 1
    assert "grand mère_gpen.jpg" in out
    assert "a bad.jpg" in err
    assert "absent.jpg" in err
    assert not photo.with_name("a bad_gpen.jpg").exists()


def test_exit_code_3_when_nothing_could_be_done(run: Run, tmp_path: Path) -> None:
    code, _, err = run("restore", tmp_path / "absent.jpg")
    assert code == 3
    assert "absent.jpg" in err
    assert "Traceback" not in err


def test_an_existing_result_is_kept_unless_asked(run: Run, photo: Path) -> None:
    result = photo.with_name("grand mère_gpen.jpg")
    result.write_bytes(b"mine")
    code, _, err = run("restore", photo)
    assert code == 3
    assert "--overwrite" in err
    assert result.read_bytes() == b"mine"
    code, out, _ = run("restore", photo, "--skip-existing")
    assert code == 0
    assert "skipped" in out
    assert result.read_bytes() == b"mine"
    assert run("restore", photo, "--overwrite")[0] == 0
    assert format_of(result) == "JPEG"


def test_report_tells_what_was_done(run: Run, photo: Path, blank: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    bad = photo.with_name("bad.jpg")
    bad.write_bytes(b"")
    run("restore", photo, blank, bad, "--report", report, "-o", tmp_path / "new")
    data = json.loads(report.read_text(encoding="utf-8"))
    assert data["gpen"] == gpen.__version__
    assert data["settings"]["blend"] == 1.0
    rows = {Path(row["input"]).stem: row for row in data["inputs"]}
    good = rows[photo.stem]
    assert good["status"] == "restored"
    assert good["model"] == "gpen-default-256"
    assert good["engine"] == "openvino"
    assert set(good["seconds"]) == {"read", "detect", "align", "judge", "restore", "paste", "write"}
    assert good["faces"][0]["restored"] is True
    assert 0 < good["faces"][0]["damage"] < 1
    assert good["faces"][0]["change_levels"] > 0
    assert len(good["faces"][0]["points_xy"]) == 5
    assert 0.5 < good["faces"][0]["similarity"] < 1
    assert good["embedding"] == "gpen-face-embedding"
    assert rows["blank"]["status"] == "no face"
    assert rows["bad"]["status"] == "failed"
    assert "bad.jpg" in rows["bad"]["error"]


def test_report_needs_the_embedding_that_is_named(run: Run, photo: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.jpg"
    options = ("restore", photo, "-o", new, "--embedding", "arcface-w600k-r50")
    code, _, err = run(*options, "--report", tmp_path / "report.json")
    assert code != 0
    assert "gpen models get arcface-w600k-r50" in err
    assert not new.exists()
    assert run(*options)[0] == 0  # nobody asks how alike faces are


def test_save_faces_and_compare_write_their_pictures(run: Run, photo: Path) -> None:
    assert run("restore", photo, "--save-faces", "--compare")[0] == 0
    assert size_of(photo.with_name("grand mère_gpen_face00.png")) == (512, 256)
    width, height = size_of(photo)
    compare = photo.with_name("grand mère_gpen_compare.jpg")
    assert size_of(compare) == (2 * width, height)


@pytest.mark.parametrize("option", ["--save-faces", "--compare"])
def test_extras_of_an_earlier_run_are_seen_before_any_work(
    run: Run, photo: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("restore", photo, option)[0] == 0
    result = photo.with_name("grand mère_gpen.jpg")
    result.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(gpen.Restorer, "restore", lambda *_: pytest.fail("worked for nothing"))
        code, _, err = run("restore", photo, option)
    assert code == 3
    extra = "face00.png" if option == "--save-faces" else "compare.jpg"
    assert f"grand mère_gpen_{extra} is already there; move it away or use --overwrite" in err
    assert not result.exists()
    assert run("restore", photo, option, "--overwrite")[0] == 0
    assert result.exists()


@pytest.mark.parametrize("name", ["both.png", "both.mp4", "both.gif"])
def test_one_file_for_several_results_is_a_usage_error(
    run: Run, photo: Path, blank: Path, tmp_path: Path, name: str
) -> None:
    inputs_of_runs = [[photo, blank], [photo, tmp_path / "clip.avi"]]
    if name != "both.mp4":  # a folder of frames may become one video
        inputs_of_runs.append([photo.parent])
    for inputs in inputs_of_runs:
        code, _, err = run("restore", *inputs, "-o", tmp_path / name)
        assert code == 2
        assert "is one file; expected a folder for the results of several inputs" in err
        assert not (tmp_path / name).exists()
    assert run("detect", photo, blank, "--draw", tmp_path / name)[0] == 2
    assert not (tmp_path / name).exists()


def test_a_folder_may_look_like_a_file_if_it_is_meant(
    run: Run, blank: Path, tmp_path: Path
) -> None:
    assert run("restore", blank.parent, "-o", f"{tmp_path}/v1.png/")[0] == 0
    assert (tmp_path / "v1.png").is_dir()
    assert run("restore", blank.parent, "-o", tmp_path / "v1.2")[0] == 0
    assert (tmp_path / "v1.2").is_dir()


def test_a_crop_that_is_not_square_is_told(run: Run, tmp_path: Path) -> None:
    crop = tmp_path / "crop.png"
    PILImage.new("RGB", (600, 300), (200, 150, 120)).save(crop)
    code, _, err = run("restore", crop, "--aligned", "--report", tmp_path / "report.json")
    assert code == 0
    assert size_of(tmp_path / "crop_gpen.png") == (256, 128)
    note = "600 × 300 px is no square, as face crops are: it was padded with its mirror image"
    assert note in re.sub(r"\s+", " ", err)
    (row,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["inputs"]
    assert row["notes"][0].startswith(note)


def test_own_results_are_not_restored_again(run: Run, photo: Path, blank: Path) -> None:
    run("restore", photo.parent)
    code, out, _ = run("restore", photo.parent, "--skip-existing")
    assert code == 0
    assert out.count("skipped") == 2


def test_pipe_in_pipe_out(photo: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gpen", "restore", "-"],
        input=photo.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert done.stdout[:2] == b"\xff\xd8"
    assert b"1 of 1 faces restored" in done.stderr


def test_standard_input_to_a_file(photo: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "gpen", "restore", "-", "-o", str(tmp_path / "new.png")],
        input=photo.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert format_of(tmp_path / "new.png") == "PNG"


def test_detect_prints_one_json_object_per_line(run: Run, photo: Path, blank: Path) -> None:
    code, out, _ = run("detect", photo, blank, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [len(row["faces"]) for row in rows] == [1, 0]
    assert set(rows[0]) == {"file", "width", "height", "faces"}
    assert set(rows[0]["faces"][0]) == {"box_xyxy", "points_xy", "score"}
    assert (rows[0]["width"], rows[0]["height"]) == size_of(photo)


def test_detect_draws_what_it_found(run: Run, photo: Path, tmp_path: Path) -> None:
    run("detect", photo, "--draw", tmp_path / "drawn.png")
    drawn = np.asarray(PILImage.open(tmp_path / "drawn.png").convert("RGB")).astype(int)
    original = np.asarray(PILImage.open(photo).convert("RGB"))
    changed = np.abs(drawn - original).max(axis=2) > 60
    assert 50 < changed.sum() < 0.1 * changed.size


def test_drawings_of_photos_with_one_name_do_not_meet(
    run: Run, photo: Path, blank: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / photo.name
    other.parent.mkdir()
    other.write_bytes(photo.read_bytes())
    assert run("detect", photo, other, "--draw", tmp_path / "drawn", "--overwrite")[0] == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 2


def test_a_report_that_cannot_be_written_is_one_line(run: Run, photo: Path, tmp_path: Path) -> None:
    report = tmp_path / "absent" / "report.json"
    code, _, err = run("restore", photo, "-o", tmp_path / "new.jpg", "--report", report)
    assert code == 3
    assert "absent" in err
    assert "Traceback" not in err
    assert (tmp_path / "new.jpg").exists()


def test_models_lists_the_default_and_refuses_others(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "GPEN-BFR-512.pth"
    page.write_text("<!DOCTYPE html><html>Not found</html>")
    code, out, _ = run("models", "--models-dir", tmp_path, "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    default = rows["gpen-default-256"]
    assert default["usable"] is True
    assert default["size"] == 256
    assert re.fullmatch("[0-9a-f]{64}", default["sha256"])
    assert rows["GPEN-BFR-512"]["usable"] is False
    assert "web page" in rows["GPEN-BFR-512"]["reason"]


def test_models_table_says_where_each_came_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.out, "width", 120)
    default = gpen.find_model("gpen-default-256").path
    Path("models").mkdir()
    for name in ("mine.onnx", default.name):
        Path("models", name).write_bytes(default.read_bytes())
    out = run("models")[1]
    rows = [line.split() for line in out.splitlines()]
    assert {(row[0], row[-2], row[-1]) for row in rows if row[-1].endswith(".onnx")} >= {
        ("mine", "models", "mine.onnx"),
        ("gpen-default-256", "models", "gpen-default-256.onnx"),
        ("gpen-default-256", "gpen", "gpen-default-256.onnx"),
    }
    assert "not usable: models/gpen-default-256.onnx is not used: its name is that of a" in out


def test_a_file_named_like_the_default_does_not_take_its_place(
    run: Run, photo: Path, negative_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = photo.parent
    monkeypatch.chdir(here)
    other = here / "models" / "gpen-default-256.onnx"
    other.parent.mkdir()
    other.write_bytes(negative_model.read_bytes())
    assert run("restore", photo, "--report", here / "report.json")[0] == 0
    (row,) = json.loads((here / "report.json").read_text(encoding="utf-8"))["inputs"]
    assert row["model_file"] == str(ASSETS / "gpen-default-256.onnx")
    assert run("restore", photo, "--model", other, "-o", here / "by path.jpg")[0] == 0


def test_convert_writes_what_the_suffix_says(run: Run, tmp_path: Path) -> None:
    source = gpen.find_model("gpen-default-256").path.with_suffix(".safetensors")
    code, out, _ = run("convert", source, tmp_path / "mine.onnx", "--half", "--hash")
    assert code == 0
    assert "mine.onnx" in out
    assert re.fullmatch("[0-9a-f]{8}", (tmp_path / "mine.hash").read_text(encoding="utf-8"))


def test_unknown_model_is_one_line_with_the_known_ones(run: Run, photo: Path) -> None:
    code, _, err = run("restore", photo, "--model", "GPEN-BFR-4096")
    assert code == 3
    assert "GPEN-BFR-4096" in err
    assert "gpen-default-256" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--upscale", "3"], "expected 1, 2 or 4", id="upscale"),
        pytest.param(["--blend", "2"], "expected a number from 0 to 1", id="blend"),
        pytest.param(["--faces", "both"], "expected all, largest", id="faces"),
        pytest.param(["--at", "1,2,3"], "boxes X,Y,W,H", id="at"),
        pytest.param(["--mask", "round"], "--mask", id="mask"),
        pytest.param(["--overwrite", "--skip-existing"], "exclude each other", id="both"),
        pytest.param(["--no-such-option"], "No such option", id="unknown"),
    ],
)
def test_usage_errors_exit_with_2(
    run: Run, photo: Path, arguments: list[str], message: str
) -> None:
    code, _, err = run("restore", photo, *arguments)
    assert code == 2
    assert message in re.sub(r"[│\s]+", " ", err)


def test_help_has_examples(run: Run) -> None:
    for command in ("restore", "detect", "convert"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert "Examples" in out


def test_version(run: Run) -> None:
    assert run("--version")[:2] == (0, f"gpen {gpen.__version__}\n")


def test_interrupt_leaves_only_whole_files(tmp_path: Path, demo_photo: Path) -> None:
    """Ctrl-C in the middle of a folder: exit 130, every result opens, nothing temporary stays."""
    photos = tmp_path / "in"
    photos.mkdir()
    for number in range(60):
        (photos / f"{number:02d}.jpg").write_bytes(demo_photo.read_bytes())
    out = tmp_path / "out"
    # Shells start commands in the background with the signal ignored; a terminal does not.
    as_in_a_terminal = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from gpen.cli import app as cli; cli.main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", as_in_a_terminal, "restore", str(photos), "-o", str(out)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (out.is_dir() and any(out.glob("[!.]*"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    results = list(out.glob("[!.]*"))
    assert 0 < len(results) < 60
    for path in results:
        assert re.fullmatch(r"\d\d_gpen\.jpg", path.name)
        assert size_of(path) == (512, 512)
