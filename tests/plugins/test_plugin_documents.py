"""The pages of the plugins name what is there, and their snippets run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from support.comfyui_host import ComfyUI
from support.small_networks import published, random_tensors, to_torch
from support.webui_host import WebUI

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "docs/webui.md",
    "docs/comfyui.md",
    "docs/peers.md",
    "plugins/a1111/README.md",
    "plugins/comfyui/README.md",
]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_paths_of_the_checkout_exist(name: str) -> None:
    for path in re.findall(r"(?:plugins|example_workflows)/[\w./]+", (ROOT / name).read_text()):
        folder = ROOT / "plugins" / "comfyui" if path.startswith("example") else ROOT
        assert (folder / path.rstrip(".")).exists(), path


def test_settings_that_are_not_shown_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    WebUI(monkeypatch, tmp_path, newer=True).load()
    comfy = ComfyUI(monkeypatch, tmp_path / "models")
    tables = {
        "docs/webui.md": sys.modules["gpen_webui.controls"],
        "docs/comfyui.md": sys.modules[f"{comfy.pack.__name__}.inputs"],
    }
    for page, table in tables.items():
        told = (ROOT / page).read_text().partition("<!-- Not shown")[2].partition("<!-- End")[0]
        names = re.findall(r"`(\w+)`", "".join(re.findall(r"^- .+?:", told, re.M)))
        assert set(names) == set(table.NOT_APPLICABLE), page


def test_nodes_are_called_what_the_page_calls_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    comfy = ComfyUI(monkeypatch, tmp_path / "models")
    page = (ROOT / "docs/comfyui.md").read_text()
    assert set(re.findall(r"^\| \*\*(.+?)\*\*", page, re.M)) == set(
        comfy.pack.NODE_DISPLAY_NAME_MAPPINGS.values()
    )


def test_snippets_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "facefusion" / ".assets" / "models"
    folder.mkdir(parents=True)
    torch.save(to_torch(random_tensors(published(512, widest=32))), "GPEN-BFR-512.pth")
    added = []
    library = ModuleType("spandrel")
    library.Architecture = type("Architecture", (), {"__init__": lambda self, **_: None})
    library.ArchSupport = SimpleNamespace(from_architecture=lambda a: a)
    library.MAIN_REGISTRY = SimpleNamespace(add=lambda support, **_: added.append(support))
    monkeypatch.setitem(sys.modules, "spandrel", library)
    monkeypatch.delitem(sys.modules, "gpen.integrations.spandrel", raising=False)
    for snippet in re.findall(
        r"```python[^\n]*\n(.*?)```", (ROOT / "docs/peers.md").read_text(), re.S
    ):
        exec(snippet, {})  # noqa: S102 - our own page
    assert sorted(file.name for file in folder.iterdir()) == [
        "gpen_bfr_512.hash",
        "gpen_bfr_512.onnx",
    ]
    assert len(added) == 1
    sys.modules.pop("gpen.integrations.spandrel", None)
