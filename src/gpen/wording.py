"""Messages in the words of the program that shows them.

Errors name options as the command line does. Who sees them in a host has no command line.
"""

from __future__ import annotations

import re

from .options import Door, options_of
from .settings import Settings

_OPTIONS = {option.flag: option for option in options_of(Settings).values()}
#: What hosts have instead of commands and of options that are not in the table.
_ELSEWHERE = (
    (r"`gpen models get ([\w.-]+)` fetches it", r"`gpen models get \1` in a terminal fetches it"),
    (r"a path or a name that `gpen models` lists", "a file of the folders of models"),
    (r"use fewer --jobs", "make fewer images at once"),
    (r" \(Python: \w+\)", ""),
)


def worded(error: Exception | str, door: Door) -> str:
    """A message as a host words it: `--engine torch` becomes `engine torch` in ComfyUI.

    Args:
        error: An error of gpen, or its text.
        door: "comfyui" calls options by the names of a node's inputs, "webui" by their labels.
    """
    text = str(error)
    for found, said in _ELSEWHERE:
        text = re.sub(found, said, text)

    def named(match: re.Match[str]) -> str:
        option = _OPTIONS.get(match[0])
        if option is None:
            return match[0]
        return option.short_name if door == "comfyui" else f"“{option.label}”"

    return re.sub(r"--[a-z][a-z-]*[a-z]", named, text)
