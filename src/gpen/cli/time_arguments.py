"""Parses times and ranges such as 1:30."""

from __future__ import annotations

import re

import typer

from gpen.errors import SettingsError


def seconds(text: str, option: str) -> float:
    """Seconds of "90", "1:30" or "1:02:03.5".

    Raises:
        SettingsError: It is none of these.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
        raise SettingsError(f"{option} is {text!r}; expected seconds such as 90, or 1:30")
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def time_range(start: str, end: str | None, preview: float | None) -> tuple[float, float | None]:
    """Start and end in seconds of --start, --end and --preview; an end of None is the video's.

    Raises:
        BadParameter: --preview and --end are both there.
        SettingsError: One of them is no time.
    """
    start_s = seconds(start, "--start")
    if preview is None:
        return start_s, None if end is None else seconds(end, "--end")
    if end is not None:
        raise typer.BadParameter("--preview and --end exclude each other")
    if not preview > 0:
        raise SettingsError(f"--preview is {preview:g}; expected more than 0 seconds")
    return start_s, start_s + preview
