"""Metadata that gpen writes into weight files, and its validation."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .architecture import Architecture

KIND_NOTE, GRAPH_NOTE, CONFIG_NOTE = "gpen.kind", "gpen.graph", "gpen.config"
TEMPLATE_NOTE = "gpen.template"
#: Of the file and not of the network.
_OF_THE_FILE = ("format", GRAPH_NOTE)

_log = logging.getLogger("gpen")


def config_note(net: Architecture) -> dict[str, str]:
    """The numbers of a network, as metadata for people and programs to read.

    Returns:
        One entry, `gpen.config`: a JSON table of the attributes of `Architecture`.

    Example:
        >>> config_note(load_weights(path).net)  # doctest: +SKIP
        {'gpen.config': '{"size": 256, "in_size": 256, "style_dim": 512, …}'}
    """
    return {CONFIG_NOTE: json.dumps(asdict(net))}


def checked_notes(notes: Mapping[str, str], net: Architecture, path: Path) -> dict[str, str]:
    """Metadata without a `gpen.config` that contradicts the tensors, which are the truth.

    Logs a warning where there is one.
    """
    text = notes.get(CONFIG_NOTE)
    if text is None or _agrees(text, net):
        return dict(notes)
    _log.warning(
        "%s says in its metadata that it is another network than its tensors: they are believed",
        path.name,
    )
    return {name: value for name, value in notes.items() if name != CONFIG_NOTE}


def _agrees(text: str, net: Architecture) -> bool:
    """Whether a note says nothing else than the tensors; it may say less."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    known = json.loads(config_note(net)[CONFIG_NOTE])  # with lists where JSON has no tuples
    return isinstance(found, dict) and all(
        found[name] == value for name, value in known.items() if name in found
    )


def notes_to_write(notes: Mapping[str, str], kind: str, net: Architecture | None) -> dict[str, str]:
    """Metadata of a new file: its kind and numbers, and whatever the old file said besides."""
    kept = {name: value for name, value in notes.items() if name not in _OF_THE_FILE}
    return {**kept, KIND_NOTE: kind, **(config_note(net) if net else {})}
