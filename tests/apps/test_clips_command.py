"""`gpen restore`, `gpen tracks` and `gpen compare` with clips, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from PIL import Image as PILImage

from gpen.apps import cli, names
from gpen.read import read_image
from gpen.video.decode import open_clip, read_frames
from pans import panning_clip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run gpen in this process, in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run_(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run_


@pytest.fixture
def clip(tmp_path: Path, demo_photo: Path) -> Path:
    return panning_clip(tmp_path / "clip.mp4", demo_photo, frames=8)


def n_frames(path: Path) -> int:
    return sum(1 for _ in read_frames(open_clip(path)))


def test_a_clip_gets_a_result_beside_it(run: Run, clip: Path) -> None:
    code, out, _ = run("restore", "clip.mp4", "--report", "report.json")
    assert code == 0
    assert "clip.mp4 → clip_gpen.mp4 · 8 frames · 1 person" in out
    assert n_frames(Path("clip_gpen.mp4")) == 8
    row = json.loads(Path("report.json").read_text())["inputs"][0]
    assert (row["status"], row["output"]) == ("restored", "clip_gpen.mp4")


def test_nothing_is_overwritten_unasked(run: Run, clip: Path) -> None:
    Path("clip_gpen.mp4").write_bytes(b"mine")
    code, _, err = run("restore", "clip.mp4")
    assert (code, Path("clip_gpen.mp4").read_bytes()) == (3, b"mine")
    assert "already there" in err
    assert run("restore", "clip.mp4", "--skip-existing")[0] == 0
    assert Path("clip_gpen.mp4").read_bytes() == b"mine"


def test_photos_and_clips_go_together_and_a_bad_one_stops_nothing(
    run: Run, clip: Path, demo_photo: Path
) -> None:
    Path("bad.mp4").write_text("no clip")
    Path("photo.jpg").write_bytes(demo_photo.read_bytes())
    code, _, err = run("restore", "bad.mp4", "clip.mp4", "photo.jpg", "-o", "out")
    assert code == 1
    assert "bad.mp4" in err
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "clip_gpen.mp4",
        "photo_gpen.jpg",
    ]


def test_a_preview_is_short(run: Run, clip: Path) -> None:
    assert run("restore", "clip.mp4", "--start", "0:00.08", "--preview", "0.12")[0] == 0
    assert n_frames(Path("clip_gpen.mp4")) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start", "soon"], "expected seconds such as 90, or 1:30"),
        (["--start", "3", "--end", "2"], "expected more than start"),
        (["--preview", "1", "--end", "2"], "exclude each other"),
        (["--stabilise", "2"], "expected a number from 0 to 1"),
        (["--keep", "nose"], "expected some of eyes, mouth, glasses"),
        (["--face-blend", "first"], "such as 0=0.5,2=1"),
        (["--faces", "tallest"], "track:1 or like:PHOTO"),
    ],
)
def test_usage_errors_exit_with_2(run: Run, clip: Path, arguments: list[str], said: str) -> None:
    code, _, err = run("restore", "clip.mp4", *arguments)
    assert code == 2
    assert said in " ".join(err.replace("│", " ").split())


def test_tracks_lists_people_with_pictures(run: Run, clip: Path) -> None:
    code, out, _ = run("tracks", "clip.mp4", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["track"], row["first_frame"], row["last_frame"]) == (1, 0, 7)
    assert read_image(row["picture"]).size_wh == (256, 256)
    code, out, _ = run("tracks", "clip.mp4", "--overwrite")
    assert code == 0
    assert "1 face in 1 shot" in out


def test_track_numbers_are_for_clips_only(run: Run, clip: Path, demo_photo: Path) -> None:
    assert run("restore", "clip.mp4", "--faces", "track:1", "-o", "one.mp4")[0] == 0
    code, _, err = run("restore", demo_photo, "--faces", "track:1", "-o", "one.png")
    assert code == 3
    assert "which is for clips" in err


@pytest.mark.parametrize("layout", [[], ["--wipe"]])
def test_compare_puts_two_clips_side_by_side(run: Run, clip: Path, layout: list[str]) -> None:
    run("restore", "clip.mp4")
    code, out, _ = run("compare", "clip.mp4", "clip_gpen.mp4", "--stills", "3", *layout)
    assert code == 0
    assert "8 frames" in out
    width, height = open_clip(Path("clip.mp4")).size_wh
    assert open_clip(Path("clip_compare.mp4")).size_wh == (width * (1 if layout else 2), height)
    assert read_image("clip_compare_stills.png").size_wh == (3 * width, 2 * height)


def test_compare_takes_photos_too(run: Run, demo_photo: Path) -> None:
    code, _, _ = run("compare", demo_photo, demo_photo, "-o", "both.png")
    width, height = read_image(demo_photo).size_wh
    assert code == 0
    assert read_image("both.png").size_wh == (2 * width, height)
    assert run("compare", demo_photo, "clip.mp4")[0] == 2


def test_a_folder_of_pictures_becomes_a_clip(run: Run, clip: Path) -> None:
    Path("frames").mkdir()
    for frame in read_frames(open_clip(Path("clip.mp4"))):
        PILImage.fromarray(frame.pixels().astype(np.uint8)).save(f"frames/{frame.index:03}.png")
    assert run("restore", "frames", "-o", "film.mp4", "--frame-rate", "10")[0] == 0
    assert open_clip(Path("film.mp4")).rate == 10
    assert run("restore", "clip.mp4", "-o", "out/%03d.png")[0] == 0
    assert len(list(Path("out").glob("*.png"))) == 8


def test_what_is_a_clip(tmp_path: Path) -> None:
    still, moving = tmp_path / "still.gif", tmp_path / "moving.gif"
    pictures = [PILImage.new("RGB", (8, 8), color) for color in ("red", "blue")]
    pictures[0].save(still)
    pictures[0].save(moving, save_all=True, append_images=pictures[1:])
    photo = tmp_path / "photo.mp4.jpg"
    clips, others = names.split_clips([str(still), str(moving), "film.MKV", str(photo)], None)
    assert clips == [str(moving), "film.MKV"]
    assert others == [str(still), str(photo)]
    (tmp_path / "a.mp4").touch()
    assert names.split_clips([str(tmp_path / "*.mp4")], None)[0] == [str(tmp_path / "a.mp4")]
    assert names.split_clips([str(tmp_path)], None) == ([], [str(tmp_path)])
    assert names.split_clips([str(tmp_path)], "film.mp4") == ([str(tmp_path)], [])
