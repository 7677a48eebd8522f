"""Runs an evaluation and reports its figures: tables, JSON, a sheet."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from gpen import GpenError, Image, __version__
from gpen.errors import OutputExistsError, WriteError
from gpen.files import written_whole
from gpen.images.formats import WRITABLE_NAMES, find_format
from gpen.images.write import write_image
from gpen.json_text import json_text
from gpen.metrics.comparison import Comparison
from gpen.metrics.comparison_sheet import ImageArray, draw_sheet, spread
from gpen.metrics.evaluation_tasks import Sample, SampleMaker, Task
from gpen.metrics.image_pairs import list_images, read_pixels
from gpen.metrics.registry import METRICS, PER_IMAGE, MetricNetworks

from . import console

#: Width of tables that go into a file or a pipe.
_WIDE = 200


@dataclass(frozen=True, slots=True)
class Output:
    """What to write.

    Attributes:
        json: File for all figures, or None.
        sheet: File for the sheet, or None.
        sheet_rows: Faces of the sheet.
        groups: Groups of each face, by stem.
        overwrite: Whether to replace both files.
    """

    json: Path | None
    sheet: Path | None
    sheet_rows: int
    groups: Mapping[str, Sequence[str]]
    overwrite: bool


def check_outputs(output: Output) -> None:
    """Refuse what could not be written, before the work and not after it.

    Raises:
        OutputExistsError: A file is there and is not to be replaced.
        WriteError: An output cannot be written, or the sheet's suffix is no format.
    """
    for path in filter(None, (output.json, output.sheet)):
        if path.is_dir():
            raise WriteError(f"cannot write {path}: it is a folder; name a file in it", path=path)
        if os.path.lexists(path) and not output.overwrite:
            raise OutputExistsError(f"{path} is already there; use --overwrite", path=path)
        # Folders that are missing are made.
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise WriteError(
                f"cannot write {path}: {folder} is a file; expected a folder", path=path
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise WriteError(
                f"cannot write {path}: {folder} is not writable; choose another place", path=path
            )
    if output.sheet is not None and find_format(output.sheet.suffix) is None:
        raise WriteError(
            f"cannot write {output.sheet}: expected one of {WRITABLE_NAMES}", path=output.sheet
        )


def measure(
    tasks: Sequence[Task],
    alone: Sequence[Path],
    sample_maker: SampleMaker,
    metric_networks: MetricNetworks,
    reference: Path | None,
    output: Output,
) -> int:
    """Make and measure the images of every task, and show the result.

    Returns:
        The exit code: 0 all done, 1 some faces were skipped or had no counterpart, 3 nothing
        could be measured.
    """
    comparison = Comparison(metric_networks)
    skipped = [(str(path), "has no counterpart of the same name") for path in alone]
    skipped += _add_reference(comparison, reference)
    drawn = set(spread(len(tasks), output.sheet_rows)) if output.sheet else set()
    rows = []
    with console.progress_bar("Measuring", len(tasks)) as bar:
        for position, task in enumerate(tasks):
            try:
                made = sample_maker.make(task)
                comparison.add(
                    task.name, made.columns, truth=made.truth, damaged=made.damaged,
                    damage=task.damage,
                )  # fmt: skip
                if position in drawn:
                    rows.append(_sheet_row(made))
            except GpenError as error:
                skipped.append((f"{task.name} {task.damage}".strip(), str(error)))
            bar.advance(bar.task_ids[0])
    for name, reason in skipped:
        console.complain(f"{name}: skipped: {reason}" if name not in reason else reason)
    if not comparison.columns:
        console.complain("no face could be measured")
        return console.EXIT_NOTHING_DONE
    _show(comparison, output.groups)
    _write(comparison, skipped, rows, output)
    if skipped:
        console.complain(f"{len(skipped)} skipped")
    return console.EXIT_SOME_FAILED if skipped else console.EXIT_OK


def _add_reference(comparison: Comparison, folder: Path | None) -> list[tuple[str, str]]:
    """Read the reference; files that cannot be read, with the reason."""
    if folder is None or "fid" in comparison.metric_networks.missing:
        return []
    skipped = []
    paths = list_images(folder).values()
    with console.progress_bar("Reading the reference", len(paths)) as bar:
        for path in paths:
            try:
                comparison.add_reference(read_pixels(path))
            except GpenError as error:
                skipped.append((str(path), str(error)))
            bar.advance(bar.task_ids[0])
    return skipped


def _sheet_row(made: Sample) -> dict[str, ImageArray]:
    row = {"damaged": made.small} | dict(made.columns) | {"truth": made.truth}
    return {name: image for name, image in row.items() if image is not None}


def _show(comparison: Comparison, groups: Mapping[str, Sequence[str]]) -> None:
    """Print one table per damage, one of groups, and what was not measured and why."""
    rows, absent = comparison.rows(), comparison.not_measured()
    for damage in dict.fromkeys(row["damage"] for row in rows):
        _print(_side_by_side([row for row in rows if row["damage"] == damage], absent))
    if grouped := comparison.group_rows(groups):
        _print(_by_group(grouped, absent))
    for key, reason in absent.items():
        console.say(f"{METRICS[key].title}: not measured: {reason}")
    for key in ("lpips", "identity", "landmarks", "fid"):
        if key not in absent:
            names = "FID, KID" if key == "fid" else METRICS[key].title
            console.say(f"{names}: by {comparison.metric_networks.networks[key]}")


def _side_by_side(rows: Sequence[dict[str, Any]], absent: Mapping[str, str]) -> Table:
    """Metrics as lines, images as columns; the best of each line is bold."""
    title = f"{rows[0]['damage'] or 'as given'} · {rows[0]['faces']} faces"
    table = Table("", *(row["image"] for row in rows), title=title, box=SIMPLE_HEAD)
    for key, metric in METRICS.items():
        values = [row[key] for row in rows]
        known = [value for value in values if value is not None]
        best = (max if metric.higher_is_better else min)(known) if len(known) > 1 else None
        cells = [
            f"[bold]{_figure(key, value)}[/]" if value == best is not None else _figure(key, value)
            for value in values
        ]
        arrow = "↑" if metric.higher_is_better else "↓"
        if key in absent:
            cells = ["not measured"] * len(rows)
        table.add_row(f"{metric.title} {arrow}", *cells)
    table.add_row("faces not found", *(str(row["misses"]) for row in rows))
    return table


def _by_group(rows: Sequence[dict[str, Any]], absent: Mapping[str, str]) -> Table:
    keys = [key for key in PER_IMAGE if key not in absent]
    titles = [METRICS[key].title for key in keys]
    table = Table("damage", "image", "group", "faces", *titles, box=SIMPLE_HEAD, title="by group")
    for row in rows:
        figures = (_figure(key, row[key]) for key in keys)
        table.add_row(row["damage"], row["image"], row["group"], str(row["faces"]), *figures)
    return table


def _print(table: Table) -> None:
    console.out.print(table, width=None if console.out.is_terminal else _WIDE)


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{METRICS[key].digits}f}"


def _write(
    comparison: Comparison,
    skipped: Sequence[tuple[str, str]],
    rows: Sequence[Mapping[str, ImageArray]],
    output: Output,
) -> None:
    """Write the JSON file and the sheet."""
    if output.json is not None:
        data = {
            "gpen": __version__,
            "networks": comparison.metric_networks.networks,
            "not_measured": comparison.not_measured(),
            "rows": comparison.rows(),
            "groups": comparison.group_rows(output.groups),
            "faces": comparison.per_face(),
            "skipped": [{"file": name, "reason": reason} for name, reason in skipped],
        }
        text = json_text(_plain(data), indent=2)
        _make_folder(output.json)
        with written_whole(output.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if output.sheet is not None and rows:
        write_image(Image(draw_sheet(rows)), output.sheet, overwrite=output.overwrite)


def _make_folder(path: Path) -> None:
    """Make the folder of a file.

    Raises:
        WriteError: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}", path=path) from error


def _plain(data: Any) -> Any:
    """The same with "inf" for infinity, which JSON has not."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    return "inf" if isinstance(data, float) and math.isinf(data) else data
