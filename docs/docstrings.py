"""Lets the API pages show examples and conventions in docstrings as they are meant.

Google style has the section "Examples", where the docstrings of gpen say "Example" of the one that
they have; and it makes a paragraph of any other section, where conventions are tables. Options have
the docstrings of runtime, and no descriptions in their annotations.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

import gpen

MEANT = {"Example:": "Examples:", "Convention:": "**Convention**\n"}


class Meant(griffe.Extension):
    """Puts the words that the parser knows in place of ours."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object with its docstring, before it is parsed."""
        if obj.path in ("gpen.settings.Settings", "gpen.settings.VideoSettings"):
            obj.docstring.value = inspect.getdoc(getattr(gpen, obj.name))
        if obj.docstring:
            pattern = rf"^({'|'.join(MEANT)})$"
            value = obj.docstring.value
            obj.docstring.value = re.sub(pattern, lambda m: MEANT[m[0]], value, flags=re.M)

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Called for each attribute, before the signature of its class is made of them."""
        annotation = attr.annotation
        if (
            isinstance(annotation, griffe.ExprSubscript)
            and annotation.canonical_name == "Annotated"
        ):
            attr.annotation = annotation.slice.elements[0]
