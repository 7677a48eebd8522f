"""Put the measured tables into README.md and MODELS.md.

    python benchmarks/readme.py [--check]

Between `<!-- NAME -->` and `<!-- / -->` stands the table of benchmarks/results/NAME.md. With
`--check` nothing is written; the exit code is 1 where a document is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "MODELS.md")
PLACE = re.compile(r"<!-- (?P<name>[\w-]+) -->\n.*?<!-- / -->", re.DOTALL)


def filled(text: str) -> str:
    """The text with every table as it was measured last."""

    def table(place: re.Match[str]) -> str:
        measured = (ROOT / "benchmarks/results" / f"{place['name']}.md").read_text()
        return f"<!-- {place['name']} -->\n{measured}<!-- / -->"

    return PLACE.sub(table, text)


def main() -> int:
    """Write the documents, or compare them; returns the exit code."""
    stale = [path for path in DOCUMENTS if filled(path.read_text()) != path.read_text()]
    for path in stale:
        print(f"{path.name} is out of date")
        if "--check" not in sys.argv:
            path.write_text(filled(path.read_text()))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
