"""Weights become an inference graph once, whoever starts and whatever happens to the file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gpen.engines import graph_cache, open_engine
from gpen.errors import WriteError
from gpen.files import cache_dir
from gpen.models import convert, find_model
from support.small_networks import TINY, save_safetensors

CROPS = np.random.default_rng(1).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)

pytestmark = pytest.mark.usefixtures("cold_cache")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_safetensors(TINY, tmp_path / "tiny.safetensors")


def entries() -> list[Path]:
    return sorted((cache_dir() / "graphs").iterdir())


def forbid_making(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*args: object) -> None:
        raise AssertionError("a graph was made")

    monkeypatch.setattr(graph_cache, "write_inference_graph", make)


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
    monkeypatch.setattr(graph_cache, "GRAPH_VERSION", 999)
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
    temporary.rename(entry.with_name(f"{key}-{graph_cache.crc32(temporary)}.onnx"))
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
from gpen.models import find_model
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
        outputs = list(
            pool.map(lambda program: program.communicate("go\n", timeout=120)[0], programs)
        )
    assert [program.returncode for program in programs] == [0] * len(programs)
    assert len(set(outputs)) == 1
    assert len(entries()) == 1


def test_threads_that_start_at_once_agree(weights: Path) -> None:
    def start(_: int) -> np.ndarray:
        return open_engine(find_model(weights)).run(CROPS)

    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(start, range(4)))
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])
    assert len(entries()) == 1


def compiled() -> list[Path]:
    """What OpenVINO exported, whole or not."""
    return sorted((cache_dir() / "compiled").glob("[!.]*"))


def open_tiny(path: Path) -> np.ndarray:
    return open_engine(find_model(path), engine="openvino").run(CROPS)


def test_later_runs_take_the_compiled_graph_from_the_cache(weights: Path) -> None:
    first = open_tiny(weights)
    (file,) = compiled()
    before = file.stat()
    np.testing.assert_array_equal(open_tiny(weights), first)
    assert compiled() == [file]
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: b"", id="emptied"),
        pytest.param(lambda data: data[:-500] + b"\xff" + data[-499:], id="one_byte"),
        pytest.param(lambda data: None, id="gone"),
    ],
)
def test_a_damaged_compiled_graph_is_made_again(damage, weights: Path) -> None:
    expected = open_tiny(weights)
    (file,) = compiled()
    damaged = damage(file.read_bytes())
    if damaged is None:
        file.unlink()
    else:
        file.write_bytes(damaged)
    np.testing.assert_array_equal(open_tiny(weights), expected)
    (again,) = compiled()
    assert again.stem.endswith(graph_cache.crc32(again))


def test_another_precision_or_graph_has_a_compiled_graph_of_its_own(
    weights: Path, tmp_path: Path
) -> None:
    open_tiny(weights)
    graph = convert(weights, tmp_path / "tiny.onnx")
    open_tiny(graph)
    assert len(compiled()) == 2
    convert(save_safetensors(TINY, tmp_path / "other.safetensors", seed=5), graph, overwrite=True)
    open_tiny(graph)
    assert len(compiled()) == 3


def test_names_with_signs_of_patterns_are_found_again(weights: Path, tmp_path: Path) -> None:
    graph = convert(weights, tmp_path / "we[i]rd *? é.v2.onnx")
    first = open_tiny(graph)
    (file,) = compiled()
    np.testing.assert_array_equal(open_tiny(graph), first)
    assert compiled() == [file]


def test_a_graph_is_compiled_without_a_cache_where_none_can_be_written(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = convert(weights, tmp_path / "tiny.onnx")
    expected = open_tiny(graph)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GPEN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    np.testing.assert_array_equal(open_tiny(graph), expected)


def test_the_cache_stays_within_its_limit(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = save_safetensors(TINY, tmp_path / "other.safetensors", seed=5)
    open_tiny(weights)
    (graph,) = entries()
    monkeypatch.setenv("GPEN_CACHE_LIMIT", str(graph.stat().st_size))
    open_tiny(other)
    assert len(entries()) == 1
    assert entries() != [graph]
    assert not compiled()


DELETER = """
import shutil, sys, time
while True:
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    time.sleep(0.5)
"""


def test_the_cache_may_be_deleted_while_it_is_used(weights: Path) -> None:
    expected = open_tiny(weights)
    deleter = subprocess.Popen([sys.executable, "-c", DELETER, str(cache_dir())])
    try:
        for _ in range(6):
            np.testing.assert_array_equal(open_tiny(weights), expected)
    finally:
        deleter.kill()
        deleter.wait()


def test_a_process_that_is_killed_leaves_a_cache_that_works(weights: Path) -> None:
    program = PROGRAM.replace('engine="onnxruntime"', 'engine="openvino"')
    command = [sys.executable, "-c", program, str(weights)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    folder = cache_dir() / "graphs"
    while process.poll() is None and not (folder.is_dir() and any(folder.iterdir())):
        time.sleep(0.001)  # until it has begun to write
    process.kill()
    process.wait()
    process.stdin.close()
    first = open_tiny(weights)
    np.testing.assert_array_equal(open_tiny(weights), first)
    assert len(compiled()) == 1
