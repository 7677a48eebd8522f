"""`gpen man`: the manual page, written from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

import typer

import gpen

from . import console

EPILOG = """
**Examples**

`gpen man > gpen.1`, then `man -l gpen.1`

`gpen man > ~/.local/share/man/man1/gpen.1` — then `man gpen`
"""

_EXIT_CODES = (
    (console.EXIT_OK, "Everything was done."),
    (console.EXIT_SOME_FAILED, "Some inputs failed, or there is something to fix."),
    (console.EXIT_USAGE, "An option or argument means nothing."),
    (console.EXIT_NOTHING_DONE, "Nothing could be done."),
    (console.EXIT_INTERRUPTED, "Interrupted; finished results are kept."),
)
_ENVIRONMENT = (
    ("GPEN_MODELS", "Folders to look for models in, as in PATH."),
    ("GPEN_CACHE_DIR", "Where to keep what makes the next start faster."),
    ("GPEN_CACHE_LIMIT", "How large that may become: 500M, 4G."),
    ("GPEN_MIRROR", "Where `gpen models get` fetches from."),
    ("HTTPS_PROXY, NO_PROXY", "The proxy that it goes through, and for which hosts it does not."),
)
#: Signs that terminals without Unicode can show, too.
_SIGNS = {"…": "...", "—": r"\(em", "–": r"\(en", "×": r"\(mu", "→": r"\(->"}
_WORDS = {"str": "TEXT", "Path": "PATH", "int": "NUMBER", "float": "NUMBER"}


def man(context: typer.Context) -> None:
    """Print the manual page of gpen, for `man`."""
    typer.echo("\n".join(manual(context.find_root().command)))  # as it is, which rich is not for


def manual(root: Any) -> Iterator[str]:
    """The lines of a manual page in the man macros of roff.

    Args:
        root: The command line as a tree of click commands.
    """
    yield f'.TH GPEN 1 "" "gpen {gpen.__version__}" "User Commands"'
    yield from (".SH NAME", _roff("gpen - restore faces in photos and clips"))
    yield from (".SH SYNOPSIS", r"\fBgpen\fR \fICOMMAND\fR [\fIOPTION\fR...] [\fIINPUT\fR...]")
    yield from (".SH DESCRIPTION", *_paragraphs(root.help))
    yield from _options(root)
    yield from (".SH COMMANDS",)
    for name, command in sorted(_leaves(root, "gpen")):
        yield from _command(name, command)
    yield ".SH EXIT STATUS"
    for code, meaning in _EXIT_CODES:
        yield from _item(rf"\fB{code}\fR", meaning)
    yield ".SH ENVIRONMENT"
    for variable, meaning in _ENVIRONMENT:
        yield from _item(rf"\fB{variable}\fR", meaning)


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name; groups that do so too."""
    inner = getattr(command, "commands", None)
    if inner is None or command.invoke_without_command:
        yield name, command
    for word, child in (inner or {}).items():
        if not child.hidden:
            yield from _leaves(child, f"{name} {word}")


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(rf"\fI{_roff(_metavar(argument))}\fR" for argument in arguments)
    yield f".SS {_roff(name)}"
    yield rf"\fB{_roff(name)}\fR [\fIOPTION\fR...] {usage}".rstrip()
    yield from (".PP", *_paragraphs(command.help))
    for argument in arguments:
        yield from _item(rf"\fI{_roff(_metavar(argument))}\fR", argument.help or "")
    yield from _options(command)
    if command.epilog:
        yield from (".PP", *_paragraphs(command.epilog))


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _options(command: Any) -> Iterator[str]:
    """Every option with its value and default."""
    for option in command.params:
        if option.param_type_name != "option" or option.hidden:
            continue
        names = ", ".join(rf"\fB{_roff(name)}\fR" for name in option.opts + option.secondary_opts)
        label = names if option.is_flag else rf"{names} \fI{_roff(_value(option))}\fR"
        text = option.help or ""
        if not option.is_flag and option.default not in (None, "", ()):
            text += f" Default: {option.default}."
        yield from _item(label, text)


def _value(option: Any) -> str:
    """What an option takes: its metavar, its choices, or a word for its type."""
    if option.metavar:
        return str(option.metavar)
    # Where the type lies depends on the version of typer.
    annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    choices = get_args(annotation) or getattr(getattr(option, "type", None), "choices", ())
    if choices:
        return "|".join(map(str, choices))
    return _WORDS.get(getattr(annotation, "__name__", ""), "VALUE")


def _item(label: str, text: str) -> Iterator[str]:
    yield from (".TP", label, *_paragraphs(text))


def _paragraphs(text: str | None) -> Iterator[str]:
    """Text with the little Markdown that help has, as roff."""
    for number, paragraph in enumerate(inspect.cleandoc(text or "").split("\n\n")):
        if number:
            yield ".PP"
        line = _roff(" ".join(paragraph.split()))
        line = re.sub(r"\*\*(.+?)\*\*", r"\\fB\1\\fR", line)
        yield re.sub(r"`(.+?)`", r"\\fB\1\\fR", line)


def _roff(text: str) -> str:
    """Text in ASCII, without anything that roff would take for a command."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = "".join(c if c.isascii() else _SIGNS.get(c, rf"\[u{ord(c):04X}]") for c in text)
    return rf"\&{text}" if text.startswith((".", "'")) else text
