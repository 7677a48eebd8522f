"""What GPEN generators are made for. Their tensors are alike, so that only names tell."""

from __future__ import annotations

from typing import Literal

Task = Literal["restore", "colorize", "inpaint", "draw"]

_MARKS: dict[str, Task] = {
    "coloriz": "colorize",
    "colouris": "colorize",
    "inpaint": "inpaint",
    "seg2face": "draw",
}


def task_named(name: str) -> Task:
    """The task that a file's name speaks of; most say nothing, and restore.

    Example:
        >>> task_named("GPEN-Colorization-1024")
        'colorize'
    """
    folded = name.casefold()
    return next((task for mark, task in _MARKS.items() if mark in folded), "restore")
