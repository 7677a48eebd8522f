"""`--skip-existing`: which results are believed to be there, and who makes the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image as PILImage

from gpen.cli.result_ledger import STATE, Ledger, Stamp

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    run_gpen: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    identity_model: Path,
) -> Run:
    """Run gpen in this process, in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    fast = ("--model", str(identity_model), "--no-fusion")

    def run_(command: str, *arguments: str | Path) -> tuple[int, str, str]:
        options = fast if command == "restore" else ()
        return run_gpen(command, *arguments, *options)

    return run_


def paint(path: str, level: int) -> Path:
    """A photo without a face, all of one grey level, by which its result is told from others."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    PILImage.new("RGB", (96, 72), (level, level, level)).save(path)
    return Path(path)


def level(path: str | Path) -> int:
    with PILImage.open(path) as image:
        return int(np.asarray(image).mean())


def results(folder: str) -> list[str]:
    paths = (path.relative_to(folder) for path in Path(folder).rglob("*.png"))
    return sorted(path.as_posix() for path in paths if STATE not in path.parts)


def test_results_of_a_folder_keep_its_folders(run: Run) -> None:
    paint("album/2019/IMG_0001.png", 10)
    paint("album/2020/IMG_0001.png", 200)
    paint("album/cover.png", 90)
    assert run("restore", "album", "-o", "out", "--recursive")[0] == 0
    assert results("out") == [
        "2019/IMG_0001_gpen.png",
        "2020/IMG_0001_gpen.png",
        "cover_gpen.png",
    ]
    assert level("out/2020/IMG_0001_gpen.png") == 200
    assert run("detect", "album", "--draw", "drawn", "--recursive")[0] == 0
    assert "2019/IMG_0001_gpen.png" in results("drawn")


def test_photos_of_one_name_are_all_restored_once_in_any_order(run: Run) -> None:
    paint("2019/a.png", 10)
    paint("2020/a.png", 200)
    assert run("restore", "2020/a.png", "-o", "out/", "--skip-existing")[0] == 0
    code, out, err = run("restore", "2019/a.png", "2020/a.png", "-o", "out", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 1)
    assert "2 of 2 done" in err
    assert {level(f"out/{name}") for name in results("out")} == {10, 200}
    code, out, _ = run("restore", "2020", "2019", "-o", "out", "--skip-existing")
    assert (code, out.count("skipped"), len(results("out"))) == (0, 2, 2)


def test_a_photo_that_was_named_alone_is_not_done_again_with_its_folder(run: Run) -> None:
    paint("album/2019/a.png", 10)
    paint("album/2020/a.png", 200)
    run("restore", "album/2019/a.png", "-o", "out/")
    code, out, _ = run("restore", "album", "-o", "out", "--recursive", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 1)
    assert results("out") == ["2020/a_gpen.png", "a_gpen.png"]


def test_a_changed_photo_is_done_again_and_no_other(run: Run) -> None:
    changed = paint("in/a.png", 10)
    paint("in/b.png", 20)
    run("restore", "in", "-o", "out")
    before = changed.stat()
    paint("in/a.png", 60)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns - 10**10))  # of an older file
    code, out, _ = run("restore", "in", "-o", "out", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 1)
    assert (level("out/a_gpen.png"), level("out/b_gpen.png")) == (60, 20)


def test_a_result_that_somebody_changed_is_never_replaced(run: Run) -> None:
    paint("in/a.png", 10)
    run("restore", "in", "-o", "out")
    paint("out/a_gpen.png", 255)
    assert run("restore", "in", "-o", "out", "--skip-existing")[0] == 0  # its photo is as it was
    paint("in/a.png", 60)
    os.utime("in/a.png", ns=(0, 0))
    code, _, err = run("restore", "in", "-o", "out", "--skip-existing")
    assert code == 3
    assert "was changed after gpen wrote it, and so was its input" in err
    assert level("out/a_gpen.png") == 255


def test_a_file_that_nobody_noted_is_believed_unless_it_is_older(run: Run) -> None:
    paint("in/a.png", 10)
    paint("out/a_gpen.png", 255)
    code, out, _ = run("restore", "in", "-o", "out", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 1)
    os.utime("out/a_gpen.png", (0, 0))
    code, _, err = run("restore", "in", "-o", "out", "--skip-existing")
    assert code == 3
    assert "out/a_gpen.png is older than its input, and gpen has not noted" in err


def test_one_result_of_another_photo_is_not_taken_for_this_ones(run: Run) -> None:
    paint("a.png", 10)
    paint("b.png", 20)
    assert run("restore", "a.png", "-o", "new.png", "--skip-existing")[0] == 0
    code, _, err = run("restore", "b.png", "-o", "new.png", "--skip-existing")
    assert code == 3
    assert "b.png: new.png is the result of another input" in err
    assert level("new.png") == 10


def test_formats_that_meet_beside_the_photos_do_not_hide_each_other(run: Run) -> None:
    paint("a.bmp", 10)
    assert run("restore", "a.bmp", "--format", "png", "--skip-existing")[0] == 0
    paint("a.png", 200)
    code, _, _ = run("restore", "a.png", "--format", "png", "--skip-existing")
    assert code == 0
    assert (level("a_gpen.png"), level("a_2_gpen.png")) == (10, 200)


def test_nothing_is_noted_beside_photos_unasked(run: Run) -> None:
    paint("in/a.png", 10)
    run("restore", "in/a.png")
    assert sorted(path.name for path in Path("in").iterdir()) == ["a.png", "a_gpen.png"]


def test_two_commands_share_a_folder(run: Run) -> None:
    for number in range(8):
        paint(f"in/{number}.png", 10 * number)
    command = [sys.executable, "-m", "gpen", "restore", "in", "-o", "out", "--skip-existing"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    lines = [line for out, _ in ends for line in out.splitlines()]
    assert sum("no face found" in line for line in lines) == 8
    assert sum("skipped" in line for line in lines) == 8
    assert len(results("out")) == 8
    assert not list(Path("out").glob("*.lock"))


def test_what_another_makes_is_waited_for(run: Run) -> None:
    """Whoever claims a result first makes it; the other looks again when that has ended."""
    source = paint("in/a.png", 10)
    target = Path("out/a_gpen.png")
    ledger = Ledger(Path("out"))
    with ledger.claim(target, wait=False) as is_mine:
        assert is_mine
        with Ledger(Path("out")).claim(target, wait=False) as is_free:
            assert not is_free
        stamp = Stamp.of(source)
        assert stamp is not None
        paint(str(target), 99)
        ledger.note(source, stamp, target)
    assert Ledger(Path("out")).state(source, target) == "done"


def test_a_line_that_a_killed_run_left_unfinished_hides_no_other(run: Run) -> None:
    paint("in/a.png", 10)
    paint("in/b.png", 20)
    run("restore", "in/a.png", "-o", "out/")
    notes = Path("out", STATE, "done.jsonl")
    notes.write_bytes(notes.read_bytes() + b'{"result": "b_gp')
    run("restore", "in/b.png", "-o", "out/")
    code, out, _ = run("restore", "in", "-o", "out", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 2)


def test_folders_may_be_moved_together(run: Run) -> None:
    paint("disk/in/a.png", 10)
    run("restore", "disk/in", "-o", "disk/out")
    Path("disk").rename("other")
    code, out, _ = run("restore", "other/in", "-o", "other/out", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 1)


def test_a_file_system_without_locks_is_no_obstacle(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no locks here")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    paint("in/a.png", 10)
    assert run("restore", "in", "-o", "out", "--skip-existing")[0] == 0
    assert run("restore", "in", "-o", "out", "--skip-existing")[1].count("skipped") == 1


def test_results_can_have_the_times_of_their_photos(run: Run) -> None:
    paint("in/a.png", 10)
    os.utime("in/a.png", (1_000_000_000, 1_000_000_000))
    assert run("restore", "in", "-o", "out", "--keep-time")[0] == 0
    assert Path("out/a_gpen.png").stat().st_mtime == 1_000_000_000
    code, out, _ = run("restore", "in", "-o", "out", "--skip-existing")
    assert (code, out.count("skipped")) == (0, 1)
