"""Plugins stand on gpen's public names, and bring nothing that their hosts do not have."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpen

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
#: The stages that are documented for use by themselves.
STAGES = {
    "blending.masks",
    "blending.paste",
    "faces.alignment",
    "faces.selection",
    "images.transforms",
    "options",
    "settings",
    "wording",
}
#: What each host has installed; numpy, Pillow and torch come with both.
HOSTS = {
    "a1111": {"modules", "gradio", "gpen_webui", "numpy", "PIL"},
    "comfyui": {"comfy", "folder_paths", "numpy", "torch"},
}
FILES = sorted(PLUGINS.rglob("*.py"))


def _imports(file: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", tuple(alias.name for alias in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PLUGINS)))
def test_imports(file: Path) -> None:
    host = HOSTS[file.relative_to(PLUGINS).parts[0]]
    for module, names in _imports(file):
        top, _, rest = module.partition(".")
        if top != "gpen":
            assert top in host or top in sys.stdlib_module_names, module
        elif rest:
            assert rest in STAGES, module
        else:
            assert set(names) <= set(gpen.__all__), module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PLUGINS)))
def test_names_of_gpen_are_public(file: Path) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "gpen"
    }
    assert used <= set(gpen.__all__)
