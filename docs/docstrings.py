"""Lets the API pages show the examples in docstrings as code.

Google style has the section "Examples"; the docstrings of gpen have one example each, and say so.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class OneExample(griffe.Extension):
    """Reads "Example:" as "Examples:"."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object with its docstring, before it is parsed."""
        if obj.docstring:
            pattern = r"^( *)Example:$"
            obj.docstring.value = re.sub(pattern, r"\1Examples:", obj.docstring.value, flags=re.M)
