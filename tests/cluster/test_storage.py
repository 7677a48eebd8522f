"""Folders and buckets through fsspec."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpen.cluster.storage import Storage
from gpen.errors import MissingExtraError, ReadError, SettingsError, WriteError
from gpen.files import os_errors_as


def test_lists_names_below_with_stamps_that_follow_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    photo = tmp_path / "sub" / "a b#1.jpg"
    photo.write_bytes(b"123")
    storage = Storage(str(tmp_path))
    (name, before), *rest = storage.files().items()
    assert (name, rest) == ("sub/a b#1.jpg", [])
    assert before.startswith("3:")
    photo.write_bytes(b"1234")
    assert storage.files()[name] != before


def test_a_relative_path_becomes_a_full_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Storage("photos/").url == f"file://{tmp_path}/photos"


def test_a_folder_that_is_not_there_is_an_error_unless_it_may_be(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "absent"))
    assert storage.files(missing_ok=True) == {}
    with pytest.raises(ReadError, match="absent is not a folder"):
        storage.files()
    (tmp_path / "absent").write_bytes(b"")
    with pytest.raises(ReadError, match="absent is not a folder"):
        storage.files(missing_ok=True)


def test_writes_whole_and_keeps_what_is_there(target: Storage) -> None:
    target.write_whole("sub/x.json", b"1", replace=False)
    with pytest.raises(FileExistsError):
        target.write_whole("sub/x.json", b"2", replace=False)
    assert target.read("sub/x.json") == b"1"
    target.write_whole("sub/x.json", b"3", replace=True)
    assert target.read("sub/x.json") == b"3"
    assert list(target.files()) == ["sub/x.json"]


def test_moves_only_to_a_free_name_unless_asked(target: Storage) -> None:
    target.write_whole("staged/1", b"new", replace=False)
    target.write_whole("a.jpg", b"old", replace=False)
    with pytest.raises(FileExistsError):
        target.move("staged/1", "a.jpg", replace=False)
    assert target.read("a.jpg") == b"old"
    target.move("staged/1", "a.jpg", replace=True)
    assert target.read("a.jpg") == b"new"
    assert not target.has("staged/1")
    with pytest.raises(FileNotFoundError):
        target.move("staged/1", "b.jpg", replace=False)


def test_removing_what_is_gone_is_fine(target: Storage) -> None:
    target.write_whole("sub/x", b"1", replace=False)
    target.remove("sub")
    target.remove("sub")
    assert not target.has("sub/x")


def test_a_missing_driver_names_its_package() -> None:
    pytest.importorskip("fsspec")
    try:
        import adlfs  # noqa: F401
    except ImportError:
        with pytest.raises(SettingsError, match="pip install adlfs"):
            Storage("abfs://bucket/photos")
    else:
        pytest.skip("adlfs is installed")


def test_an_unknown_protocol_is_one_line() -> None:
    with pytest.raises(SettingsError, match="expected a path or a URL") as caught:
        Storage("tape://7/photos")
    assert "\n" not in str(caught.value)


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gpen\[cluster\]'"):
        Storage("photos")


def test_errors_of_drivers_become_one_line() -> None:
    with (
        pytest.raises(WriteError, match=r"^cannot write: first$"),
        os_errors_as(WriteError, "cannot write", errors=(Exception,)),
    ):
        raise RuntimeError("first\nsecond")
