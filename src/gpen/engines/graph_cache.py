"""The cache of inference graphs, and of graphs compiled by OpenVINO.

A graph is `graphs/<sha256 of the weights>-g<version>-<its own CRC-32>.onnx`, made once and kept by
content. A compiled graph is what OpenVINO exported, in a file of its own: importing it takes less
than half the time of compiling. `gpen.engines.cache_store` says what may stay and for how long.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import WriteError
from ..files import cache_dir, crc32, temporary_file
from ..models import ModelInfo, Weights, load_weights, write_inference_graph
from ..models.graph import GRAPH_VERSION
from .cache_store import cache_limit, prune_cache, remove, touch, whole

_log = logging.getLogger("gpen")

#: How often a graph is written anew when its folder is deleted meanwhile.
_TRIES = 5
#: A compiled graph takes up to this many times the room of its graph.
_GROWTH = 3


def inference_graph(model: ModelInfo) -> Path:
    """The ONNX file of a model: the file itself, or the one in the cache, made if need be.

    Raises:
        WriteError: The cache folder cannot be written.
        WeightsError: The weights became unreadable.
        SettingsError: `GPEN_CACHE_LIMIT` holds no size.
    """
    if model.path.suffix.lower() == ".onnx":
        return model.path
    return cached_graph((model.sha256 or "")[:32], partial(load_weights, model.path))


def cached_graph(name: str, load: Callable[[], Weights]) -> Path:
    """The ONNX file of weights in the cache, made if need be.

    Args:
        name: Stands for what they hold.
        load: Opens them.

    Raises:
        As `inference_graph`.
    """
    folder, key = cache_dir() / "graphs", f"{name}-g{GRAPH_VERSION}"
    for entry in folder.glob(f"{key}-*.onnx"):
        if whole(entry):
            touch(entry)
            return entry
        forget(entry)
    entry = _make(load, folder, key)
    prune_cache(keep=[entry])
    return entry


def forget(entry: Path) -> None:
    """Remove an entry that is damaged or cannot be run."""
    if remove(entry):
        _log.warning("%s is damaged and will be made again", entry)


def _make(load: Callable[[], Weights], folder: Path, key: str) -> Path:
    weights = load()
    _log.info("turning %s into an inference graph, once", weights.path.name)
    for tries_left in reversed(range(_TRIES)):
        try:
            return _write(weights, folder, key)
        except (OSError, WriteError) as error:
            deleted = isinstance(error.__cause__ or error, FileNotFoundError)
            if not deleted or not tries_left:
                raise WriteError(
                    f"cannot write the cache folder {folder} ({error}): "
                    "set GPEN_CACHE_DIR to one that can be written",
                    path=folder,
                ) from error
    raise AssertionError("the last try returns or raises")


def _write(weights: Weights, folder: Path, key: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_file(folder, ".tmp") as temporary:
        write_inference_graph(weights, temporary)
        entry = folder / f"{key}-{crc32(temporary)}.onnx"
        temporary.replace(entry)
    return entry


def compiled_entry(graph: Path, *circumstances: str) -> CompiledEntry | None:
    """Where the compiled form of a graph is kept, or None where the graph is gone.

    Args:
        graph: ONNX file. Its path, size and time stand for its content.
        *circumstances: What else the result depends on: versions, device, precision.
    """
    try:
        status = graph.stat()
    except OSError:  # another process has just removed it: the engine will say so
        return None
    facts = (str(graph.resolve()), str(status.st_size), str(status.st_mtime_ns), *circumstances)
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return CompiledEntry(graph, f"{graph.stem[:48]}-{digest[:16]}", _GROWTH * status.st_size)


@dataclass(frozen=True, slots=True)
class CompiledEntry:
    """A graph in compiled form, in the cache or still to be put there.

    Attributes:
        graph: The ONNX file that it was compiled from.
        key: How its name begins.
        room: Bytes that it may take.
    """

    graph: Path
    key: str
    room: int

    def find(self) -> Path | None:
        """The file, where the cache holds it whole."""
        for file in _compiled_dir().glob(f"{_escaped(self.key)}-*.blob"):
            if whole(file):
                touch(file)
                return file
            forget(file)
        return None

    def has_room(self) -> bool:
        """Whether the cache may take it.

        Raises:
            SettingsError: `GPEN_CACHE_LIMIT` holds no size.
        """
        if self.room > cache_limit():
            return False
        folder = _compiled_dir()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return self.room < shutil.disk_usage(folder).free
        except OSError:
            return False

    def keep(self, compiled: memoryview) -> None:
        """Put it into the cache, unless that cannot be written; the rest shrinks to the limit."""
        with (
            contextlib.suppress(OSError, WriteError),
            temporary_file(_compiled_dir(), ".tmp") as temporary,
        ):
            temporary.write_bytes(compiled)
            file = temporary.with_name(f"{self.key}-{crc32(temporary)}.blob")
            temporary.replace(file)
            prune_cache(keep=[file, self.graph])


def _compiled_dir() -> Path:
    return cache_dir() / "compiled"


def _escaped(name: str) -> str:
    """A name as a pattern that matches nothing else."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
