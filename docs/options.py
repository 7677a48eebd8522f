"""Writes docs/options.md, and lists in the pages of the plugins, from the table of options."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from gpen import ColorSettings, Settings, VideoSettings
from gpen.options import UNITS, Door, Option, missing_at, options_of

DOCS = Path(__file__).parent
INTRODUCTION = """# Options

The fields of [`gpen.Settings`](api.md), for videos of `gpen.VideoSettings`, and of
`gpen.ColorSettings`, which Python and `gpen colorize` have. Every other is taken by every door,
by these names, the command line with dashes; the WebUI and ComfyUI extensions restore single
images and have none of the video options. The last table says what a door leaves out, and why.

<!-- Written by docs/options.py (`make docs/options.md`) from src/gpen/settings.py. -->"""
DOORS = {
    "cli": "Command line",
    "http": "HTTP, web page",
    "video": "HTTP, videos",
    "webui": "WebUI",
    "comfyui": "ComfyUI",
}
BEGIN, END = "<!-- Not shown (written by docs/options.py): -->", "<!-- End -->"


def page() -> str:
    """The page as it has to be."""
    kinds = (Settings, VideoSettings, ColorSettings)
    table = [option for kind in kinds for option in options_of(kind).values()]
    return "\n".join([INTRODUCTION, *_groups(table), *_left_out(table), ""])


def pages() -> dict[Path, str]:
    """Every page with a part that is written here, as it has to be."""
    found = {DOCS / "options.md": page()}
    for door in ("webui", "comfyui"):
        path = DOCS / f"{door}.md"
        before, rest = path.read_text(encoding="utf-8").split(BEGIN)
        lines = (BEGIN, "", *_not_shown(door), "", END)
        found[path] = before + "\n".join(lines) + rest.split(END)[1]
    return found


def _not_shown(door: Door) -> Iterator[str]:
    """A list of the options that a door leaves out."""
    for reason, missing in groupby(missing_at(door, Settings).items(), lambda item: item[1]):
        yield f"- {', '.join(f'`{name}`' for name, _ in missing)}: {reason}"


def _groups(table: list[Option]) -> Iterator[str]:
    for group, options in groupby(table, lambda option: option.group):
        yield f"\n## {group}\n"
        yield "| option | values | default | what it does |\n|---|---|---|---|"
        for option in options:
            flag = option.flag.replace("--", "--no-" if option.default is True else "--", 1)
            yield _row(
                f"`{option.name}`, `{flag}`",
                _values(option),
                _default(option),
                option.help_at("cli"),
            )


def _left_out(table: list[Option]) -> Iterator[str]:
    yield "\n## Left out\n"
    yield "| option | where | why |\n|---|---|---|"
    for option in table:
        for door, reason in option.reasons.items():
            yield _row(f"`{option.name}`", DOORS[door], reason)


def _values(option: Option) -> str:
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    if option.kind == "boolean":
        return "on, off"
    if option.kind == "string":
        return "text"
    low, high, unit = option.minimum, option.maximum, UNITS.get(option.unit, "")
    if low is not None and high is not None:
        return f"{low:g} to {high:g} {unit}".strip()
    return f"{'any number of' if low is None else f'{low:g} or more'} {unit}".strip()


def _default(option: Option) -> str:
    if option.kind == "boolean":
        return "on" if option.default else "off"
    return "" if option.default in (None, "") else f"`{option.default}`"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
