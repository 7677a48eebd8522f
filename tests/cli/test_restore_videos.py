"""`gpen restore`, `gpen tracks` and `gpen compare` with videos, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from PIL import Image as PILImage

from gpen.cli import output_names
from gpen.images.read import read_image
from gpen.video.io.decode import open_video, read_frames
from support.panning import panning_clip
from support.video_files import make_clip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    run_gpen: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, negative_model: Path
) -> Run:
    """Run gpen in this process, in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run_(command: str, *arguments: str | Path) -> tuple[int, str, str]:
        fast = ("--model", negative_model) if command == "restore" else ()
        return run_gpen(command, *arguments, *fast)

    return run_


@pytest.fixture
def clip(tmp_path: Path, demo_photo: Path) -> Path:
    return panning_clip(tmp_path / "clip.mp4", demo_photo, frames=8)


def n_frames(path: Path) -> int:
    return sum(1 for _ in read_frames(open_video(path)))


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
    Path("bad.mp4").write_text("no video")
    Path("photo.jpg").write_bytes(demo_photo.read_bytes())
    code, _, err = run("restore", "bad.mp4", "clip.mp4", "photo.jpg", "-o", "out")
    assert code == 1
    assert "bad.mp4" in err
    assert sorted(path.name for path in Path("out").glob("[!.]*")) == [
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


def test_track_numbers_are_for_videos_only(run: Run, clip: Path, demo_photo: Path) -> None:
    assert run("restore", "clip.mp4", "--faces", "track:1", "-o", "one.mp4")[0] == 0
    code, _, err = run("restore", demo_photo, "--faces", "track:1", "-o", "one.png")
    assert code == 3
    assert "which is for videos" in err


@pytest.mark.parametrize("layout", [[], ["--wipe"]])
def test_compare_puts_two_clips_side_by_side(run: Run, clip: Path, layout: list[str]) -> None:
    Path("clip_gpen.mp4").write_bytes(clip.read_bytes())
    code, out, _ = run("compare", "clip.mp4", "clip_gpen.mp4", "--stills", "3", *layout)
    assert code == 0
    assert "8 frames" in out
    width, height = open_video(Path("clip.mp4")).size_wh
    assert open_video(Path("clip_compare.mp4")).size_wh == (width * (1 if layout else 2), height)
    assert read_image("clip_compare_stills.png").size_wh == (3 * width, 2 * height)


def test_compare_takes_photos_too(run: Run, demo_photo: Path) -> None:
    code, _, _ = run("compare", demo_photo, demo_photo, "-o", "both.png")
    width, height = read_image(demo_photo).size_wh
    assert code == 0
    assert read_image("both.png").size_wh == (2 * width, height)
    assert run("compare", demo_photo, "clip.mp4")[0] == 2


def test_a_folder_of_pictures_becomes_a_clip(run: Run, clip: Path) -> None:
    Path("frames").mkdir()
    for frame in read_frames(open_video(Path("clip.mp4"))):
        PILImage.fromarray(frame.pixels().astype(np.uint8)).save(f"frames/{frame.index:03}.png")
    assert run("restore", "frames", "-o", "film.mp4", "--frame-rate", "10")[0] == 0
    assert open_video(Path("film.mp4")).rate == 10
    assert run("restore", "clip.mp4", "-o", "out/%03d.png")[0] == 0
    assert len(list(Path("out").glob("*.png"))) == 8


def test_what_is_a_clip(tmp_path: Path) -> None:
    still, moving = tmp_path / "still.gif", tmp_path / "moving.gif"
    images = [PILImage.new("RGB", (8, 8), color) for color in ("red", "blue")]
    images[0].save(still)
    images[0].save(moving, save_all=True, append_images=images[1:])
    photo = tmp_path / "photo.mp4.jpg"
    clips, others = output_names.split_videos(
        [str(still), str(moving), "film.MKV", str(photo)], None
    )
    assert clips == [str(moving), "film.MKV"]
    assert others == [str(still), str(photo)]
    (tmp_path / "a.mp4").touch()
    assert output_names.split_videos([str(tmp_path / "*.mp4")], None)[0] == [
        str(tmp_path / "a.mp4")
    ]
    assert output_names.split_videos([str(tmp_path)], None) == ([], [str(tmp_path)])
    assert output_names.split_videos([str(tmp_path)], "film.mp4") == ([str(tmp_path)], [])


def test_names_that_would_meet_are_numbered() -> None:
    sources = ["a.avi", "a.gif", "b/a.mp4", "b/A.MP4"]
    targets = [str(path) for path in output_names.video_targets(sources, "out")]
    assert targets == [
        "out/a_gpen.mp4",
        "out/a_2_gpen.mp4",
        "out/a_3_gpen.mp4",
        "out/A_4_gpen.mp4",
    ]


@pytest.mark.parametrize("output", ["out.avi", "out.gif", "out.jpg", "-"])
def test_an_output_that_no_clip_can_be_makes_no_folder(run: Run, clip: Path, output: str) -> None:
    code, _, err = run("restore", "clip.mp4", "-o", output)
    assert code == 2
    assert "no video that can be written; expected a folder, .mp4" in err
    assert not Path(output).exists()


def test_several_clips_need_a_folder(run: Run, clip: Path) -> None:
    code, _, err = run("restore", "clip.mp4", "other.mp4", "-o", "out.mp4")
    assert (code, Path("out.mp4").exists()) == (2, False)
    assert "several inputs need a folder" in err


def test_a_result_may_be_named_in_capitals(run: Run, clip: Path) -> None:
    assert run("restore", "clip.mp4", "-o", "OUT.MP4", "--preview", "0.1")[0] == 0
    assert Path("OUT.MP4").is_file()


def test_an_input_is_never_replaced(run: Run, clip: Path) -> None:
    before = clip.read_bytes()
    Path("link.mp4").symlink_to(clip)
    for target in ("clip.mp4", "link.mp4"):
        code, _, err = run("restore", "clip.mp4", "-o", target, "--overwrite")
        assert code == 3
        assert "is the input itself" in err
        assert run("compare", "clip.mp4", "clip.mp4", "-o", target, "--overwrite")[0] == 2
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "out.mov", "--codec", "vp9"], "expected h264, h265 in .mov"),
        (["-o", "out.mov", "--preset", "swift"], "preset is 'swift'"),
        (["-o", "out.mov", "--crf", "60"], "expected 0 to 51"),
        (["-o", "out.mov", "--faces", "like:nobody.jpg"], "nobody.jpg"),
        (["-o", "out.mov", "--start", "100"], "no frame between 100 s and the end"),
    ],
)
def test_what_stops_a_clip_is_said_before_the_work(
    run: Run, clip: Path, arguments: list[str], said: str
) -> None:
    code, _, err = run("restore", "clip.mp4", *arguments)
    assert code == 3
    assert said in err
    assert [path.name for path in Path().iterdir()] == ["clip.mp4"]


def test_a_clip_without_faces_says_so(run: Run, tmp_path: Path) -> None:
    make_clip(tmp_path / "empty.mp4", frames=3)
    assert "no face found" in run("restore", "empty.mp4")[1]


def test_a_clip_whose_faces_are_not_chosen_says_so(run: Run, clip: Path) -> None:
    assert "no face chosen" in run("restore", "clip.mp4", "--faces", "5")[1]


def test_tracks_of_a_range_have_the_numbers_that_restore_takes(run: Run, clip: Path) -> None:
    code, out, _ = run("tracks", "clip.mp4", "--start", "0.12", "--preview", "0.1", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["track"], row["first_frame"], row["last_frame"]) == (1, 0, 2)
    assert row["from_s"] == pytest.approx(0.12)


def test_old_pictures_of_tracks_are_noticed_before_the_search(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("clip_tracks").mkdir()
    Path("clip_tracks/track-001.png").write_bytes(b"mine")
    monkeypatch.setattr("gpen.video.analysis.analyse", lambda *_, **__: pytest.fail("searched"))
    assert run("tracks", "clip.mp4")[0] == 3
    assert Path("clip_tracks/track-001.png").read_bytes() == b"mine"


def test_compare_makes_the_folder_of_its_result(run: Run, clip: Path) -> None:
    assert run("compare", "clip.mp4", "clip.mp4", "-o", "new/deep/both.mp4")[0] == 0
    assert [path.name for path in Path("new/deep").iterdir()] == ["both.mp4"]


def test_compare_takes_a_folder_of_frames(run: Run, clip: Path, tmp_path: Path) -> None:
    frame = next(read_frames(open_video(clip))).pixels()
    (tmp_path / "frames").mkdir()
    PILImage.fromarray(frame.astype(np.uint8)).save("frames/1.png")
    code, out, _ = run("compare", "frames", "clip.mp4")
    assert code == 0
    assert "frames_compare.mp4 · 1 frame" in out


def test_compare_notices_an_old_strip_before_the_work(run: Run, clip: Path) -> None:
    Path("clip_compare_stills.png").write_bytes(b"mine")
    code, _, err = run("compare", "clip.mp4", "clip.mp4", "--stills", "2")
    assert (code, Path("clip_compare.mp4").exists()) == (3, False)
    assert "clip_compare_stills.png is already there" in err
