"""The docs site: links lead somewhere, options exist, nothing is loaded from elsewhere."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gpen.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Pages that docs/hooks.py brings into the site.
BROUGHT = {"adr/index.md", "changelog.md", "contributing.md", "weights.md"}
#: Pages that speak of gpen alone: what looks like an option there is one.
OURS = (
    "index",
    "quickstart",
    "python",
    "doors",
    "web.md",
    "troubleshooting",
    "how-to/",
    "concepts/",
)
#: Options of what others have, or had.
OTHERS = {"--channel_multiplier", "--narrow"}


def pages() -> list[str]:
    return [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files(page: str) -> None:
    folder = (DOCS / page).parent
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", (DOCS / page).read_text(encoding="utf-8")):
        there = (folder / target).resolve()
        if "://" not in target and not there.exists():
            assert there.is_relative_to(DOCS), target
            assert there.relative_to(DOCS).as_posix() in BROUGHT, target


def test_what_pages_say_of_options_is_current() -> None:
    pages = runpy.run_path(str(DOCS / "options.py"))["pages"]()
    assert {path.name for path in pages} == {"options.md", "webui.md", "comfyui.md"}
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, "make docs/options.md"


def test_tables_that_pages_include_were_measured() -> None:
    found = 0
    for page in pages():
        for name in re.findall(r'^--8<-- "(.+)"$', (DOCS / page).read_text(encoding="utf-8"), re.M):
            assert (ROOT / name).is_file(), f"{page}: {name}"
            found += 1
    assert found > 15


def test_options_in_the_text_exist() -> None:
    known = {name for command in _commands(typer.main.get_command(app)) for name in _names(command)}
    found = set()
    for page in pages():
        if page.startswith(OURS):
            text = (DOCS / page).read_text(encoding="utf-8")
            for code in re.findall(r"`([^`\n]+)`", text):
                found.update(re.findall(r"(?<![\w-])--[a-z][\w-]+", code))
    assert len(found) > 20
    assert found - OTHERS <= known


def test_every_page_is_in_the_menu() -> None:
    yaml = pytest.importorskip("yaml", reason="mkdocs is not installed")
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    decisions = {page for page in pages() if re.match(r"adr/\d", page)}  # listed on their own page
    assert sorted(_leaves(menu)) == sorted({*pages(), *BROUGHT} - decisions)


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = [*tmp_path.rglob("*.html")]
    assert len(built) > 30
    loads = re.compile(r"<(?:script|img|link|iframe|source|video)\b[^>]*(?:src|href)=\"([^\"]+)\"")
    for path in built:
        for address in loads.findall(path.read_text(encoding="utf-8")):
            assert not re.match(r"(?:https?:)?//", address), f"{path}: {address}"
    for path in tmp_path.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", text), path


def _commands(group: Any) -> Iterator[Any]:
    yield group
    for command in getattr(group, "commands", {}).values():
        yield from _commands(command)


def _names(command: Any) -> Iterator[str]:
    for param in command.params:
        yield from (*param.opts, *param.secondary_opts)


def _leaves(menu: Any) -> Iterator[str]:
    if isinstance(menu, str):
        yield menu
    for item in menu.values() if isinstance(menu, dict) else menu if isinstance(menu, list) else ():
        yield from _leaves(item)
