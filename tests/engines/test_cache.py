"""Weights become an inference graph once, whoever starts and whatever happens to the file."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gpen.engines import cache, open_engine
from gpen.errors import WriteError
from gpen.weights import cache_dir, convert, find_model
from networks import TINY, save_safetensors

CROPS = np.random.default_rng(1).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_safetensors(TINY, tmp_path / "tiny.safetensors")


def entries() -> list[Path]:
    return sorted((cache_dir() / "graphs").iterdir())


def forbid_making(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*args: object) -> None:
        raise AssertionError("a graph was made")

    monkeypatch.setattr(cache, "write_inference_graph", make)


def test_later_runs_take_the_graph_from_the_cache(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_engine(find_model(weights)).run(CROPS)
    assert len(entries()) == 1
    forbid_making(monkeypatch)
    np.testing.assert_array_equal(open_engine(find_model(weights)).run(CROPS), first)


def test_the_content_counts_not_the_name(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_engine(find_model(weights))
    copy = tmp_path / "other name.safetensors"
    copy.write_bytes(weights.read_bytes())
    other = save_safetensors(TINY, tmp_path / "other.safetensors", seed=5)
    open_engine(find_model(other))
    assert len(entries()) == 2
    forbid_making(monkeypatch)
    open_engine(find_model(copy))


def test_a_new_graph_version_makes_a_new_entry(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_engine(find_model(weights))
    monkeypatch.setattr(cache, "GRAPH_VERSION", 999)
    open_engine(find_model(weights))
    assert len(entries()) == 2


def test_onnx_files_are_not_copied(weights: Path, tmp_path: Path) -> None:
    open_engine(find_model(convert(weights, tmp_path / "tiny.onnx")))
    assert not (cache_dir() / "graphs").exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: b"", id="emptied"),
        pytest.param(lambda data: data[:5000] + b"\xff" + data[5001:], id="one_byte"),
    ],
)
def test_a_damaged_entry_is_made_again(damage, weights: Path) -> None:
    expected = open_engine(find_model(weights)).run(CROPS)
    (entry,) = entries()
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    np.testing.assert_array_equal(open_engine(find_model(weights)).run(CROPS), expected)
    assert entries() == [entry]
    assert entry.read_bytes() == whole


def test_an_entry_that_no_engine_runs_is_made_again_once(
    weights: Path, identity_model: Path
) -> None:
    """Its sum is right, its content is not: an ONNX file of nodes that do not exist."""
    expected = open_engine(find_model(weights)).run(CROPS)
    (entry,) = entries()
    broken = entry.read_bytes().replace(b"LeakyRelu", b"LeakyRuin")
    entry.unlink()
    temporary = entry.with_name("broken.onnx")
    temporary.write_bytes(broken)
    key = entry.stem.rpartition("-")[0]
    temporary.rename(entry.with_name(f"{key}-{cache.crc32(temporary)}.onnx"))
    np.testing.assert_array_equal(open_engine(find_model(weights)).run(CROPS), expected)
    assert entries() == [entry]


def test_a_cache_that_cannot_be_written_is_told(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GPEN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(WriteError, match="set GPEN_CACHE_DIR"):
        open_engine(find_model(weights))


PROGRAM = """
import sys, numpy as np
from gpen.engines import open_engine
from gpen.weights import find_model
assert "torch" not in sys.modules
sys.stdin.readline()
engine = open_engine(find_model(sys.argv[1]), engine="onnxruntime")
print(float(np.abs(engine.run(np.full((1, 3, 32, 32), 0.5, np.float32))).sum()))
assert "torch" not in sys.modules
"""


def test_processes_that_start_at_once_agree_and_leave_one_entry(weights: Path) -> None:
    """They wait for the word, so that all look into the empty cache at the same time."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(weights)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for _ in range(4)
    ]
    with ThreadPoolExecutor(len(programs)) as pool:
        answers = list(
            pool.map(lambda program: program.communicate("go\n", timeout=120)[0], programs)
        )
    assert [program.returncode for program in programs] == [0] * len(programs)
    assert len(set(answers)) == 1
    assert len(entries()) == 1


def test_threads_that_start_at_once_agree(weights: Path) -> None:
    def start(_: int) -> np.ndarray:
        return open_engine(find_model(weights)).run(CROPS)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(start, range(4)))
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])
    assert len(entries()) == 1
