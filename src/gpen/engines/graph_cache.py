"""The cache of inference graphs, and of graphs compiled by OpenVINO.

A graph is `graphs/<sha256 of the weights>-g<version>-<its own CRC-32>.onnx`, made once and kept by
content. A compiled graph is a folder for OpenVINO's own cache, of one file: reading it back takes
a third of the time of compiling. OpenVINO neither checks that file nor writes it in one step; this
module does both. `gpen.engines.cache_store` says what may stay and for how long.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
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
    folder = cache_dir() / "graphs"
    key = f"{(model.sha256 or '')[:32]}-g{GRAPH_VERSION}"
    for entry in folder.glob(f"{key}-*.onnx"):
        if whole(entry, entry):
            touch(entry)
            return entry
        forget(entry)
    entry = _make(model, folder, key)
    prune_cache(keep=[entry])
    return entry


def forget(entry: Path) -> None:
    """Remove an entry that is damaged or cannot be run."""
    if remove(entry):
        _log.warning("%s is damaged and will be made again", entry)


def _make(model: ModelInfo, folder: Path, key: str) -> Path:
    _log.info("turning %s into an inference graph, once", model.path.name)
    weights = load_weights(model.path)
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


@contextlib.contextmanager
def compiled_folder(graph: Path, *circumstances: str) -> Iterator[Path | None]:
    """A folder for OpenVINO's cache of one graph: with its file, or empty and kept after the block.

    Args:
        graph: ONNX file. Its path, size and time stand for its content, as they do in the name
            that OpenVINO gives its file.
        *circumstances: What else the result depends on: versions, device, precision.

    Yields:
        The folder, or None where the graph is gone, or the cache cannot be written or has no room.

    Raises:
        SettingsError: `GPEN_CACHE_LIMIT` holds no size.
    """
    try:
        status, folder = graph.stat(), cache_dir() / "compiled"
    except OSError:  # another process has just removed it: OpenVINO will say so
        yield None
        return
    facts = (str(graph.resolve()), str(status.st_size), str(status.st_mtime_ns), *circumstances)
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    key = f"{graph.stem[:48]}-{digest[:16]}"
    if (entry := _compiled_entry(folder, key)) is not None:
        yield entry
        return
    if (new := _new_folder(folder, _GROWTH * status.st_size)) is None:
        yield None
        return
    try:
        yield new
        _keep_compiled(new, key, graph)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _compiled_entry(folder: Path, key: str) -> Path | None:
    for entry in folder.glob(f"{_escaped(key)}-*"):
        files = _files(entry)
        if len(files) == 1 and whole(entry, files[0]):
            touch(files[0])
            return entry
        forget(entry)
    return None


def _new_folder(folder: Path, n_bytes: int) -> Path | None:
    """A temporary folder with room for so much, or None. OpenVINO does not notice a full disk."""
    if n_bytes > cache_limit():
        return None
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if n_bytes < shutil.disk_usage(folder).free:
            return Path(tempfile.mkdtemp(dir=folder, prefix=".gpen-"))
    return None


def _keep_compiled(new: Path, key: str, graph: Path) -> None:
    """Give a filled folder its name; another process may have been first, or deleted it."""
    with contextlib.suppress(OSError):
        for file in _files(new):  # one, or none where OpenVINO could not write it
            entry = new.with_name(f"{key}-{crc32(file)}")
            new.rename(entry)
            prune_cache(keep=[entry, graph])


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _escaped(name: str) -> str:
    """A name as a pattern that matches nothing else."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
