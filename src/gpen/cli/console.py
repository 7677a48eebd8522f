"""Printing, progress bars, logging and exit codes."""

from __future__ import annotations

import codecs
import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gpen.errors import WriteError
from gpen.json_text import json_text

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_NOTHING_DONE, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


class _Console(Console):
    """A console that ends no work when its reader goes away, as `| head` does.

    Attributes:
        is_heard: Whether somebody still reads it.
    """

    is_heard: bool = True

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does.

        Raises:
            WriteError: What it prints to is full.
        """
        try:
            super().print(*objects, **options)
        except OSError as error:
            _discard(self.file.fileno())  # else Python tries again when it ends
            raise WriteError(f"cannot print ({error.strerror or error})") from error

    def on_broken_pipe(self) -> None:
        """Go on silently; later output is discarded."""
        self.is_heard = False
        _discard(self.file.fileno())


#: Results go to `out`, everything else to `err`, so that pipes stay clean.
out = _Console(highlight=False, soft_wrap=True)
err = _Console(stderr=True, highlight=False, soft_wrap=True)


#: What gpen prints that terminals of one byte to a letter lack, and what stands in for it.
_PLAIN = {"→": "->", "·": "-", "×": "x", "…": "...", "–": "-", "—": "-"}


def bear_any_text() -> None:
    """Make standard output and standard error take every text, whatever their encoding.

    Signs that an encoding lacks are replaced by plain ones; bytes of file names that are no text
    come out as they are on the disk, so that `xargs` finds the file.
    """
    codecs.register_error("gpen", _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else a host program's own
            stream.reconfigure(errors="gpen")


def _in_plain_signs(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    plain = _PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii")
    return plain, error.start + 1


def setup_logging(*, verbose: bool) -> None:
    """Show gpen's log on standard error: warnings, or everything."""
    handler = RichHandler(console=err, show_path=False, show_time=False, markup=False)
    logging.getLogger("gpen").addHandler(handler)
    logging.getLogger("gpen").setLevel(logging.DEBUG if verbose else logging.WARNING)


def say(text: str, *, to: Console = out, style: str | None = None) -> None:
    """Print one line as it is, without markup (file names may hold brackets)."""
    to.print(text, markup=False, style=style)


def say_json(data: Any) -> None:
    """Print one line of JSON: letters as they are where standard output takes all of them."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    is_unicode = encoding.lower().replace("-", "").startswith("utf")
    say(json_text(data) if is_unicode else json.dumps(data, default=str))


def write_bytes(data: bytes) -> None:
    """Write a result to standard output.

    Raises:
        WriteError: It could not be written whole: its reader is gone, or the disk is full.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        _discard(sys.stdout.fileno())  # else Python tries again when it ends
        raise WriteError(
            f"cannot write the result to standard output ({error.strerror or error})"
        ) from error


def _discard(handle: int) -> None:
    """Send what is written to a file handle nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, handle)
    os.close(nowhere)


def complain(text: str) -> None:
    """Print one error line."""
    say(f"gpen: {text}", to=err, style="red")


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Progress]:
    """A progress bar with ETA on standard error; silent where that is not a terminal."""
    with progress() as bar:
        bar.add_task(description, total=total)
        yield bar


def progress(*beside_count: ProgressColumn) -> Progress:
    """Bars without tasks yet, which other columns may stand in."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *beside_count,
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
