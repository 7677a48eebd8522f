"""`gpen cache` as a person types it, before and after it is registered with the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gpen.cli.cache import EPILOG, cache
from gpen.errors import SettingsError
from gpen.files import cache_dir

pytestmark = pytest.mark.usefixtures("cold_cache")


def gpen_cache(*arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(epilog=EPILOG)(cache)
    return CliRunner().invoke(app, list(arguments))


def put(name: str, n_bytes: int, used_s: float) -> Path:
    path = cache_dir() / "graphs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (used_s, used_s))
    return path


@pytest.fixture
def full() -> tuple[Path, Path]:
    """An older and a newer graph of 2 MiB each; the name of one model is remembered."""
    sha = "ab" * 32
    older, newer = (
        put(f"{sha[:32]}-g1-00000000.onnx", 2 << 20, 1e9),
        put("x-g1-1.onnx", 2 << 20, 2e9),
    )
    note = cache_dir() / "sums" / "n.json"
    note.parent.mkdir()
    note.write_text(json.dumps({"file": "/m/mine.pth", "stamp": [1, 2], "sha256": sha}))
    return older, newer


def test_lists_what_is_kept_with_sizes(full: tuple[Path, Path]) -> None:
    done = gpen_cache()
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert "x-g1-1.onnx" in lines[1]
    assert "mine.pth" in lines[2]
    assert "2.0 MiB" in lines[1]
    assert lines[-1].endswith("4.0 MiB of at most 4096.0 MiB")
    assert all(path.exists() for path in full)


def test_an_empty_cache_is_one_line() -> None:
    assert gpen_cache().output.strip() == f"{cache_dir()} · 0.0 MiB of at most 4096.0 MiB"


def test_prunes_to_a_limit_least_recently_used_first(full: tuple[Path, Path]) -> None:
    assert "removed 1 entry, 2.0 MiB" in gpen_cache("--limit", "3M").output
    assert [path.exists() for path in full] == [False, True]


def test_prunes_to_the_limit_of_the_variable(
    full: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "removed 0 entries" in gpen_cache("--prune").output
    monkeypatch.setenv("GPEN_CACHE_LIMIT", "1M")
    assert "removed 2 entries, 4.0 MiB" in gpen_cache("--prune").output


def test_clears(full: tuple[Path, Path]) -> None:
    assert "removed 2 entries, 4.0 MiB" in gpen_cache("--clear").output
    assert not any(path.exists() for path in full)


def test_a_limit_that_is_no_size_is_told(full: tuple[Path, Path]) -> None:
    done = gpen_cache("--limit", "much")
    assert isinstance(done.exception, SettingsError)
    assert all(path.exists() for path in full)


def test_clearing_and_pruning_exclude_each_other(full: tuple[Path, Path]) -> None:
    assert gpen_cache("--clear", "--limit", "1M").exit_code == 2
    assert all(path.exists() for path in full)
