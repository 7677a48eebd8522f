"""Every code block of every page in docs/ runs, or the page says why not."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer

from gpen.cli.app import app
from support import doc_snippets

#: Blocks that are not run, by page: a new one has to be counted here.
NOT_RUN = {
    "batch.md": 2,
    "comfyui.md": 1,
    "evaluation.md": 2,
    "how-to/backgrounds.md": 2,
    "how-to/colouring.md": 2,
    "http.md": 1,
    "models.md": 1,
    "peers.md": 2,
    "quickstart.md": 1,
    "training.md": 6,
    "training/restorer.md": 1,
    "web.md": 1,
    "webui.md": 1,
}


#: Pages that restore several clips.
SLOW = ("how-to/videos.md",)


@pytest.fixture(scope="session")
def sample_maker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    doc_snippets.make_workshop(folder)
    return folder


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else [])
        for page in doc_snippets.pages()
        if doc_snippets.to_run(page)
    ],
)
def test_blocks_of_a_page_run_one_after_the_other(
    page: str, sample_maker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    shutil.copytree(sample_maker, folder)
    monkeypatch.chdir(folder)
    names = doc_snippets.names_of_a_script()
    for snippet in doc_snippets.to_run(page):
        doc_snippets.run(snippet, folder, names)


def test_every_block_is_run_or_says_why_not() -> None:
    counted: dict[str, int] = {}
    for page in doc_snippets.pages():
        for snippet in doc_snippets.snippets(page):
            assert snippet.language in doc_snippets.RUN + doc_snippets.SHOWN, snippet.place
            if snippet.reason:
                counted[page] = counted.get(page, 0) + 1
    assert counted == NOT_RUN


def test_blocks_that_are_not_run_name_commands_and_options_that_exist() -> None:
    found = 0
    for page in doc_snippets.pages():
        for snippet in doc_snippets.snippets(page):
            if snippet.reason and snippet.language in ("sh", "console"):
                for line in re.findall(r"^(?:\$ )?gpen (.*)", snippet.code, re.M):
                    _parse(shlex.split(line.rstrip("\\"), comments=True))
                    found += 1
    assert found > 10


def test_a_block_that_fails_fails_the_test(tmp_path: Path) -> None:
    for code in ("gpen restore nowhere.jpg", "gpen detect | cat", "false\ntrue"):
        with pytest.raises(AssertionError, match="here"):
            doc_snippets.run(doc_snippets.Snippet("here", "sh", code, ""), tmp_path, {})
    with pytest.raises(ZeroDivisionError):
        doc_snippets.run(doc_snippets.Snippet("here", "python", "1 / 0", ""), tmp_path, {})


def test_a_mistyped_command_would_be_found() -> None:
    for words in (["wep"], ["models", "fetch"], ["restore", "--blendd", "1", "old.jpg"]):
        with pytest.raises((AssertionError, typer.BadParameter.__base__)):
            _parse(words)


def _parse(words: list[str]) -> None:
    """Raises what the command line would say of a mistyped command."""
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    assert words or not hasattr(command, "commands") or command.invoke_without_command
    assert not words or not hasattr(command, "commands"), f"no command {words[0]}"
    command.make_context("gpen", list(words))
