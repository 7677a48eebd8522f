"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from gpen.errors import WriteError
from gpen.files import remove_leftovers, written_whole


def test_file_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, flush, flushed = tmp_path / "note.json", os.fsync, []

    def watch(handle: int) -> None:
        status = os.fstat(handle)
        is_folder = stat.S_ISDIR(status.st_mode)
        flushed.append(("folder" if is_folder else status.st_size, target.exists()))
        flush(handle)

    monkeypatch.setattr(os, "fsync", watch)
    with written_whole(target) as temporary:
        temporary.write_text("whole")
    assert flushed == [(5, False), ("folder", True)]
    assert target.read_text() == "whole"


def test_disk_that_fails_while_it_is_flushed_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "note.json"
    target.write_text("old")

    def fail(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="No space left"), written_whole(target) as temporary:
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
    assert target.read_text() == "old"


def test_folder_that_cannot_be_flushed_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with written_whole(tmp_path / "note.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "note.json").read_text() == "new"


def test_a_missing_input_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    target = tmp_path / "copy.bin"
    with pytest.raises(FileNotFoundError) as caught, written_whole(target) as temporary:
        temporary.write_bytes((tmp_path / "absent.bin").read_bytes())
    assert caught.value.filename == str(tmp_path / "absent.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "remedy"),
    [
        pytest.param("absent", "make that folder or choose another place", id="missing"),
        pytest.param("file", "choose a folder that can be written", id="no_folder"),
    ],
)
def test_a_folder_that_cannot_be_written_comes_with_what_to_do(
    tmp_path: Path, folder: str, remedy: str
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / folder / "note.json"
    with pytest.raises(WriteError, match=remedy) as caught, written_whole(target) as temporary:
        temporary.write_text("new")
    assert caught.value.path == target.parent


@pytest.mark.skipif(os.name == "nt", reason="no permissions as on POSIX")
def test_the_umask_of_the_process_decides_and_is_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("other threads make files too"))
        with written_whole(tmp_path / "note.json") as temporary:
            temporary.write_text("new")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "note.json").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_follow_the_umask_even_where_a_library_replaces_the_file(
    tmp_path: Path,
) -> None:
    before = os.umask(0o027)
    try:
        with written_whole(tmp_path / "plain") as temporary:
            temporary.write_text("new")
        with written_whole(tmp_path / "replaced") as temporary:
            other = tmp_path / "other"
            other.touch(0o600)
            other.replace(temporary)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"plain": 0o640, "replaced": 0o640}


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with written_whole(tmp_path / "whole.pt") as temporary:
        temporary.write_text("whole")
        left = tmp_path / f"{temporary.name}.killed"
        left.write_text("ha")
        os.utime(left, (0, 0))
        remove_leftovers(tmp_path, older_than_s=3600)
        assert not left.exists()
        assert temporary.exists()
    left.write_text("ha")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.pt"]
