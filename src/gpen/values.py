"""Values of options as people write them, turned into those that options have.

"0.5" is a number and [0, 2] says the same as "0,2"; what means nothing raises a `SettingsError`
that names the option, its value and what was expected.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import SettingsError


def convert(name: str, value: Any, kind: Any, expected: str = "") -> Any:
    """The value of an option in the type it has.

    Args:
        name: The option, for errors.
        value: As it was given.
        kind: bool, int, float, str or Path. A value of any other kind is returned as it is.
        expected: What it may be, for errors.

    Raises:
        SettingsError: The value means nothing.
    """
    if kind not in _KINDS:
        return value
    to_kind, usual = _KINDS[kind]
    try:
        return to_kind(value)
    except (TypeError, ValueError, OverflowError):
        raise SettingsError(f"{name} is {value!r}; expected {expected or usual}") from None


def joined(name: str, value: Any, expected: str) -> str:
    """Numbers or words as text: "0,2" of [0, 2], "0=0.5" of {0: 0.5}, "0" of 0; text stays.

    Raises:
        SettingsError: It is something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [f"{key}={part}" for key, part in value.items()]
    parts = value if isinstance(value, Iterable) else [value]
    try:
        return ",".join(part if isinstance(part, str) else str(_integer(part)) for part in parts)
    except (TypeError, ValueError):
        raise SettingsError(f"{name} is {value!r}; expected {expected}") from None


def _flag(value: Any) -> bool:
    if isinstance(value, str) or value not in (False, True):
        raise ValueError
    return bool(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return operator.index(value)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or math.isnan(number):
        raise ValueError
    return number


def _text(value: Any) -> str:
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError
    return text


_KINDS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (_flag, "True or False"),
    int: (_integer, "a whole number"),
    float: (_number, "a number"),
    str: (_text, "text"),
    Path: (Path, "a path"),
}
