"""Errors as WebUI shows them: in its console, while the image goes on unchanged."""

from __future__ import annotations

import sys
import traceback

from modules import errors

import gpen
from gpen.wording import worded


def report(error: Exception, what: str = "the image was left as it is") -> str:
    """Print an error; a traceback only where it is not one that gpen foresaw.

    Returns:
        The line printed.
    """
    line = f"GPEN: {what}: {worded(error, 'webui')}"
    foreseen = isinstance(error, gpen.GpenError)
    if hasattr(errors, "report"):
        errors.report(line, exc_info=not foreseen)
        return line
    print(line, file=sys.stderr)
    if not foreseen:
        traceback.print_exception(error)
    return line
