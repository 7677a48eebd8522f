"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from gpen.errors import WriteError
from gpen.weights import remove_leftovers, written_whole


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


def test_umask_is_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to the whole process: files of other threads would get the wrong permissions."""
    monkeypatch.setattr(os, "umask", lambda _mask: pytest.fail("the umask was changed"))
    with written_whole(tmp_path / "note.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "note.json").read_text() == "new"


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
