"""What MkDocs does beside showing docs/ (`hooks` in mkdocs.yml).

Documents from above docs/ and a list of the decisions become pages; links to them are mended.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
#: Documents above docs/ and what they are called on the site.
FROM_ABOVE = {
    "MODELS.md": "weights.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
_LINK = re.compile(r"\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that do not lie in docs/."""
    pages = {page: _from_above(source) for source, page in FROM_ABOVE.items()}
    pages["adr/index.md"] = _decisions()
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links to documents above docs/ lead to their pages."""
    here = posixpath.dirname(page.file.src_uri)

    def mended(link: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join("docs", here, link["target"]))
        if there not in FROM_ABOVE:
            return link[0]
        target = posixpath.relpath(FROM_ABOVE[there], here or ".")
        return f"]({target}{link['anchor'] or ''})"

    return _LINK.sub(mended, markdown)


def _from_above(source: str) -> str:
    """A document above docs/, with links as they have to be within."""
    text = (ROOT / source).read_text(encoding="utf-8")
    return _LINK.sub(lambda link: link[0].replace("](docs/", "]("), text)


def _decisions() -> str:
    """The list of docs/adr."""
    lines = ["# Decisions", "", "What was chosen, why, and what came of it.", ""]
    for path in sorted(ROOT.glob("docs/adr/[0-9]*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"
