"""JSON that people can read, whatever names of files it holds."""

from __future__ import annotations

import json
from typing import Any


def json_text(data: Any, *, indent: int | None = None) -> str:
    r"""Data as JSON that every encoding of Unicode takes.

    Letters stay as they are. Names of files may hold bytes that are no text, which Python keeps as
    lone surrogates: these are written as JSON's own escapes (`\udce9`), from which `json.loads`
    makes the same name again. What JSON does not know is written as its `str`.

    Example:
        >>> json_text({"file": "caf\udce9.jpg"})
        '{"file": "caf\\udce9.jpg"}'
    """
    text = json.dumps(data, indent=indent, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
