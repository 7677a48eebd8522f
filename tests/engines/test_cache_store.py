"""The cache stays within its limit, and what was used last stays longest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gpen.engines import cache_store
from gpen.errors import SettingsError
from gpen.files import cache_dir

pytestmark = pytest.mark.usefixtures("cold_cache")


def put(name: str, n_bytes: int, used_s: float) -> Path:
    """An entry: a graph or, where the name says so, a compiled one."""
    path = cache_dir() / ("graphs" if name.endswith(".onnx") else "compiled") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (used_s, path.stat().st_mtime))
    return path


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("4G", 4 << 30), ("1.5M", 3 << 19), ("500 mb", 500 << 20), ("2KiB", 2048), ("0", 0)],
)
def test_sizes_are_read(text: str, n_bytes: int) -> None:
    assert cache_store.parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "-1", "4X", "1e9", "G"])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(SettingsError, match="expected a number with K, M, G or T"):
        cache_store.parse_size(text)


def test_the_limit_is_a_variable_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_store.cache_limit() == 4 << 30
    monkeypatch.setenv("GPEN_CACHE_LIMIT", "20M")
    assert cache_store.cache_limit() == 20 << 20
    monkeypatch.setenv("GPEN_CACHE_LIMIT", "lots")
    with pytest.raises(SettingsError, match="GPEN_CACHE_LIMIT: 'lots' is no size"):
        cache_store.cache_limit()


def test_an_empty_or_missing_cache_is_no_error() -> None:
    assert cache_store.cache_entries() == []
    assert cache_store.prune_cache(0) == []
    assert cache_store.clear_cache() == []


def test_entries_are_listed_least_recently_used_first() -> None:
    put("b-1.onnx", 10, 200)
    put("a-2.blob", 30, 100)
    found = [(entry.path.name, entry.kind, entry.n_bytes) for entry in cache_store.cache_entries()]
    assert found == [("a-2.blob", "compiled", 30), ("b-1.onnx", "graph", 10)]


def test_what_was_not_used_for_longest_goes_first() -> None:
    old, middle, new = (
        put("old-1.blob", 40, 100),
        put("middle-2.onnx", 40, 200),
        put("new-3.blob", 40, 300),
    )
    assert [entry.path for entry in cache_store.prune_cache(80)] == [old]
    cache_store.touch(middle)
    assert [entry.path for entry in cache_store.prune_cache(40)] == [new]
    assert middle.exists()
    assert sorted(path.name for path in cache_dir().glob("*/*")) == ["middle-2.onnx"]


def test_what_is_needed_now_stays_however_small_the_limit() -> None:
    needed, other = put("needed-1.blob", 40, 100), put("other-2.blob", 40, 200)
    assert [entry.path for entry in cache_store.prune_cache(10, keep=[needed])] == [other]
    assert needed.exists()


def test_a_touch_leaves_the_time_of_change() -> None:
    path = put("a-1.onnx", 1, 100)
    before = path.stat().st_mtime_ns
    cache_store.touch(path)
    assert path.stat().st_mtime_ns == before
    assert path.stat().st_atime > time.time() - 60
    cache_store.touch(path.with_name("gone.onnx"))


def test_clearing_removes_entries_and_checksums() -> None:
    put("a-1.onnx", 1, 100), put("b-2.blob", 1, 100)
    note = cache_dir() / "sums" / "x.json"
    note.parent.mkdir()
    note.write_text("{}")
    assert len(cache_store.clear_cache()) == 2
    assert not list(cache_dir().glob("*/*"))


def test_leftovers_of_killed_processes_go_when_they_are_old() -> None:
    fresh, stale = put(".gpen-fresh", 5, 100), put(".gpen-stale", 5, 100)
    file = cache_dir() / "graphs" / ".gpen-stale.tmp"
    file.parent.mkdir()
    file.write_bytes(b"half")
    hours_ago = time.time() - 2 * 3600
    for path in (stale, file):
        os.utime(path, (hours_ago, hours_ago))
    cache_store.prune_cache()
    assert cache_store.cache_entries() == []
    assert (fresh.exists(), stale.exists(), file.exists()) == (True, False, False)


def test_names_of_weights_come_from_their_checksums() -> None:
    note = cache_dir() / "sums" / "x.json"
    note.parent.mkdir(parents=True)
    note.write_text('{"file": "/models/mine.pth", "stamp": [1, 2], "sha256": "%s"}' % ("ab" * 32))
    note.with_name("broken.json").write_text('{"file"')
    assert cache_store.weight_names() == {"ab" * 16: "mine.pth"}
