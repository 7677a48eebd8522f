"""What the command line prints, and how errors become exit codes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

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

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_NOTHING_DONE, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

#: Results go to `out`, everything else to `err`, so that pipes stay clean.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def setup_logging(*, verbose: bool) -> None:
    """Show gpen's log on standard error: warnings, or everything."""
    handler = RichHandler(console=err, show_path=False, show_time=False, markup=False)
    logging.getLogger("gpen").addHandler(handler)
    logging.getLogger("gpen").setLevel(logging.DEBUG if verbose else logging.WARNING)


def say(text: str, *, to: Console = out, style: str | None = None) -> None:
    """Print one line as it is, without markup (file names may hold brackets)."""
    to.print(text, markup=False, style=style)


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
