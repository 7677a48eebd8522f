"""`gpen cache`: lists, prunes and clears the cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from . import console

if TYPE_CHECKING:
    from gpen.engines.cache_store import Entry

EPILOG = """
**Examples**

`gpen cache` — what is kept, how large it is and when it was used

`gpen cache --prune` — down to GPEN_CACHE_LIMIT, or 4G; gpen does so by itself, too

`gpen cache --limit 500M` — down to 500 MiB, least recently used first

`gpen cache --clear` — all of it; the next start of each model is slower

The folder is GPEN_CACHE_DIR, or the user's cache folder. Deleting it at any time is safe.
"""


def cache(
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the least recently used entries.")
    ] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Prune to this size, such as 500M or 2G.", show_default=False
        ),
    ] = None,
) -> None:
    """Show or clear the cache of inference graphs."""
    from gpen.engines.cache_store import (
        cache_entries,
        cache_limit,
        clear_cache,
        parse_size,
        prune_cache,
    )
    from gpen.files import cache_dir

    if clear and (prune or limit is not None):
        raise typer.BadParameter("--clear removes everything; leave out --prune and --limit")
    n_bytes = cache_limit() if limit is None else parse_size(limit)
    removed: list[Entry] = []
    if clear:
        removed = clear_cache()
    elif prune or limit is not None:
        removed = prune_cache(n_bytes)
    if clear or prune or limit is not None:
        entries = "1 entry" if len(removed) == 1 else f"{len(removed)} entries"
        console.say(f"removed {entries}, {_size(_total(removed))}")
    kept = cache_entries()
    _show(kept)
    console.say(f"{cache_dir()} · {_size(_total(kept))} of at most {_size(n_bytes)}")


def _total(entries: Sequence[Entry]) -> int:
    return sum(entry.n_bytes for entry in entries)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB"


def _show(entries: Sequence[Entry]) -> None:
    """A table of entries, last used first."""
    from rich.table import Table

    from gpen.engines.cache_store import weight_names

    if not entries:
        return
    names = weight_names()
    table = Table(box=None, header_style="bold")
    for heading in ("last used", "size", "kind", "model", "entry"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    for entry in reversed(entries):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used_s))
        model = names.get(entry.path.name[:32]) or entry.path.name.rsplit("-", 2)[0]
        table.add_row(used, _size(entry.n_bytes), entry.kind, model, entry.path.name)
    console.out.print(table)
