"""What a stopped run leaves and a new one finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpen.errors import WriteError
from gpen.video.work_folder import LineLog, WorkFolder

JOB = {"source": "a.mp4", "crf": 18}


def make_part(work: WorkFolder, number: int) -> None:
    work.part(number).write_bytes(b"pictures")


def test_steps_of_the_same_job_are_found_again(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "out.mp4")
    with work.opened(JOB) as dropped:
        assert not dropped
        make_part(work, 0)
        make_part(work, 1)
    with WorkFolder(tmp_path / "out.mp4").opened(JOB) as dropped:
        assert not dropped
    assert work.finished_parts() == [work.part(0), work.part(1)]


def test_steps_of_another_job_are_dropped(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "out.mp4")
    with work.opened(JOB):
        make_part(work, 0)
    with work.opened({**JOB, "crf": 30}) as dropped:
        assert dropped
    assert work.finished_parts() == []


def test_parts_count_up_to_the_first_that_is_missing(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "out.mp4")
    with work.opened(JOB):
        for number in range(3):
            make_part(work, number)
        work.part(1).unlink()
        assert work.finished_parts() == [work.part(0)]


def test_a_second_process_is_refused_and_a_killed_one_is_not_waited_for(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib\n"
            "from gpen.video.work_folder import WorkFolder\n"
            "with WorkFolder(pathlib.Path(sys.argv[1])).opened({'source': 'a.mp4', 'crf': 18}):\n"
            "    print('held', flush=True)\n"
            "    time.sleep(60)\n",
            str(tmp_path / "out.mp4"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        work = WorkFolder(tmp_path / "out.mp4")
        with pytest.raises(WriteError, match=r"another gpen is making out\.mp4"), work.opened(JOB):
            pass
        holder.kill()
        holder.wait()
    with work.opened(JOB) as dropped:
        assert not dropped


@pytest.mark.parametrize("torn", [b'{"half', b"\0\0\0\0", b'{"half\0\0'])
def test_a_torn_last_line_is_dropped(tmp_path: Path, torn: bytes) -> None:
    log = LineLog(tmp_path / "faces.jsonl")
    with log.appending() as append:
        append("[1]")
        append("[2]")
    with log.path.open("ab") as file:
        file.write(torn)
    log.mend()
    assert list(log.lines()) == ["[1]", "[2]"]
    with log.appending() as append:
        append("[3]")
    assert list(log.lines()) == ["[1]", "[2]", "[3]"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(WriteError, match="choose another folder"),
        WorkFolder(tmp_path / "file" / "out.mp4").opened(JOB),
    ):
        pass
