"""Inference graphs of `.pth` and `.safetensors` files, made once and kept by content.

An entry is `graphs/<sha256 of the weights>-g<version>-<its own CRC-32>.onnx`. It appears under
that name complete or not at all, so any number of processes may start at once: each that finds no
entry makes one, and they are all the same. The sum in the name tells a damaged entry.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import WriteError
from ..weights import (
    ModelInfo,
    cache_dir,
    crc32,
    load_weights,
    temporary_file,
    write_inference_graph,
)
from ..weights.graph import GRAPH_VERSION

_log = logging.getLogger("gpen")


def inference_graph(model: ModelInfo) -> Path:
    """The ONNX file of a model: the file itself, or the one in the cache, made if need be.

    Raises:
        WriteError: The cache folder cannot be written.
        WeightsError: The weights became unreadable.
    """
    if model.path.suffix.lower() == ".onnx":
        return model.path
    folder = cache_dir() / "graphs"
    key = f"{(model.sha256 or '')[:32]}-g{GRAPH_VERSION}"
    for entry in folder.glob(f"{key}-*.onnx"):
        if entry.stem == f"{key}-{crc32(entry)}":
            return entry
        forget(entry)
    return _make(model, folder, key)


def forget(graph: Path) -> None:
    """Remove an entry that is damaged or cannot be run."""
    _log.warning("%s is damaged and will be made again", graph)
    graph.unlink(missing_ok=True)


def _make(model: ModelInfo, folder: Path, key: str) -> Path:
    _log.info("turning %s into an inference graph, once", model.path.name)
    weights = load_weights(model.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_file(folder, ".tmp") as temporary:
            write_inference_graph(weights, temporary)
            entry = folder / f"{key}-{crc32(temporary)}.onnx"
            temporary.replace(entry)
    except (OSError, WriteError) as error:
        raise WriteError(
            f"cannot write the cache folder {folder} ({error}): "
            "set GPEN_CACHE_DIR to one that can be written",
            path=folder,
        ) from error
    return entry
