"""Publishes staged results, and recovers those of an interrupted run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from .manifest import STAGED, STATE, Row
from .storage import Storage


def publish(target: Storage, row: Row) -> Row:
    """Publish the staged result of a row under its final name; idempotent.

    Returns:
        The row, failed where another file has the name or the result is gone.
    """
    if row.staged is None or row.output is None:
        return row
    try:
        target.move(row.staged, row.output, replace=row.replace)
    except FileExistsError:
        if target.has(row.staged) and target.size(row.output) != row.n_bytes:
            return row.failing(
                f"{row.output} appeared while its photo was restored; the result waits at "
                f"{row.staged}: move {row.output}, or run again with --overwrite"
            )
        target.remove(row.staged)  # moved already, by copying; or by a worker thought dead
    except FileNotFoundError:
        if not target.has(row.output):
            error = f"{row.name}: its result was removed before it was in place; run again"
            return dataclasses.replace(row.failing(error), staged=None)
    return row


def recover(
    target: Storage, rows: Sequence[Row], existing: Iterable[str], *, overwrite: bool
) -> tuple[list[Row], set[str]]:
    """Finish what an earlier run has recorded, and clear away what it has not.

    Args:
        target: Where results go.
        rows: The manifest.
        existing: Names of the files below the target.
        overwrite: Results may take the place of other files.

    Returns:
        The rows whose results are published, and the names of the files there now.
    """
    there = set(existing)
    held, waiting = [], set[str]()
    for row in rows:
        if row.staged is None or row.staged not in there:
            held.append(row)
            continue
        published = publish(target, dataclasses.replace(row, replace=row.replace or overwrite))
        if published.status == "failed":
            waiting.add(row.staged)
        else:
            held.append(row)
            there.add(str(row.output))
    for name in there:
        if name.startswith((f"{STAGED}/", f"{STATE}/run-")) and name not in waiting:
            target.remove(name)
    if not waiting:
        target.remove(STAGED)
    return held, there
