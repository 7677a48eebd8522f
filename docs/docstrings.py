"""Lets the API pages show examples and conventions in docstrings as they are meant.

Google style has the section "Examples", where the docstrings of gpen say "Example" of the one that
they have; and it makes a paragraph of any other section, where conventions are tables.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

MEANT = {"Example:": "Examples:", "Convention:": "**Convention**\n"}


class Meant(griffe.Extension):
    """Puts the words that the parser knows in place of ours."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object with its docstring, before it is parsed."""
        if obj.docstring:
            pattern = rf"^({'|'.join(MEANT)})$"
            value = obj.docstring.value
            obj.docstring.value = re.sub(pattern, lambda m: MEANT[m[0]], value, flags=re.M)
