"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from gpen.errors import WriteError
from gpen.weights import written_whole


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
