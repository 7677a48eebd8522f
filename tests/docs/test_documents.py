"""Documents say what was measured, and point to what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpen.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md",
    "MODELS.md",
    "CONTRIBUTING.md",
    "examples/README.md",
    "docs/training.md",
    "docs/evaluation.md",
]


def test_tables_are_those_last_measured() -> None:
    command = [sys.executable, "benchmarks/readme.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_options_in_the_readme_exist() -> None:
    import typer

    commands = typer.main.get_command(app).commands
    for line in re.findall(r"^(?:cat \S+ \| )?gpen (.*)$", (ROOT / "README.md").read_text(), re.M):
        words = line.split("#")[0].split()
        command = commands[words[0]]
        if len(words) > 1 and words[1] in getattr(command, "commands", {}):  # as `gpen data`
            command = command.commands[words[1]]
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for name in DOCUMENTS:
        wanted = set(re.findall(r"^make ([\w-]+)", (ROOT / name).read_text(), re.M))
        assert wanted <= targets
