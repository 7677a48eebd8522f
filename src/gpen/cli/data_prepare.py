"""`gpen data prepare`: makes training faces from photos."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import console
from .option_parameters import with_options

if TYPE_CHECKING:
    from gpen.training.prepare import Plan, Report

EPILOG = """
**Examples**

`gpen data prepare photos/ faces/` — then train on faces/train and test on faces/val

`gpen data prepare ffhq/images1024x1024/ faces/ --png --val-share 0.01`

`gpen data prepare celeba-hq/ faces/ --identities identities.csv`

`gpen data prepare web/ faces/ --size 256 --min-sharpness 0.15 --jobs 8`
"""
#: How many names of a long list are printed.
_SHOWN = 5


@with_options("detector", "models_dir", "max_pixels")
def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SRC...", help="Photos, folders with subfolders, patterns."),
    ],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Folder for the faces.")],
    size: Annotated[int, typer.Option(help="Side of the crops in pixels.")] = 512,
    template: Annotated[str, typer.Option(help="gpen, ffhq_512 or arcface_128")] = "gpen",
    min_face: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Smallest face, as a share of --size."),
    ] = 0.5,
    min_sharpness: Annotated[
        float, typer.Option(help="Sharp photos have 0.13 to 0.30, blurred by a pixel 0.05.")
    ] = 0.1,
    max_sharpness: Annotated[float, typer.Option(help="Higher values count as noise.")] = 0.7,
    max_turn: Annotated[
        float, typer.Option(help="0 faces the camera; at 1 the nose is over an eye.")
    ] = 0.9,
    min_inside: Annotated[
        float, typer.Option(metavar="SHARE", help="Smallest share of a crop inside its photo.")
    ] = 0.5,
    min_score: Annotated[float, typer.Option(help="Lowest detector confidence.")] = 0.8,
    max_duplicate: Annotated[
        int,
        typer.Option(metavar="BITS", help="Largest hash distance of duplicates; -1 keeps them."),
    ] = 32,
    identities: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="CSV of photo,person."),
    ] = None,
    identity_from: Annotated[
        str | None,
        typer.Option(metavar="folder", help="Take the person from a photo's folder name."),
    ] = None,
    val_share: Annotated[
        float, typer.Option(help="Share of persons in the validation set.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Random seed of split and order.")] = 0,
    jpeg_quality: Annotated[int, typer.Option(help="1-100")] = 95,
    png: Annotated[bool, typer.Option("--png", help="Store crops losslessly.")] = False,
    shard_size: Annotated[int, typer.Option(help="Faces per shard.")] = 1000,
    limit: Annotated[int, typer.Option(help="Most photos to read; 0 for all.")] = 0,
    licence: Annotated[str, typer.Option(help="Licence note stored with every face.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Photos restored at the same time.")] = 2,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing data set in DST.")
    ] = False,
    **options: Any,
) -> None:
    """Make training faces: find, align, filter, drop duplicates, split, write shards.

    An interrupted run resumes when the same command is started again.
    """
    if identity_from not in (None, "folder"):
        raise typer.BadParameter(f"--identity-from is {identity_from!r}; expected folder")
    options |= {
        "size": size,
        "template": template,
        "min_score": min_score,
        "min_face": min_face,
        "min_inside": min_inside,
        "min_sharpness": min_sharpness,
        "max_sharpness": max_sharpness,
        "max_turn": max_turn,
        "max_duplicate": max_duplicate,
        "identity_from_folder": identity_from == "folder",
        "identities": identities,
        "val_share": val_share,
        "seed": seed,
        "jpeg_quality": jpeg_quality,
        "png": png,
        "shard_size": shard_size,
        "limit": limit,
        "licence": licence,
    }
    from gpen.training.prepare import Options, finished_report, plan_work

    plan = plan_work(sources, target, Options(**options), overwrite=overwrite)
    report = finished_report(plan)
    if report is not None:
        console.say(f"{target} is complete already", to=console.err)
    else:
        report = _run(plan, jobs)
    _show(report, target)
    raise typer.Exit(_exit_code(report))


def _run(plan: Plan, jobs: int) -> Report:
    from gpen.training.prepare import build_dataset, find_faces

    started = time.perf_counter()
    with console.progress_bar("Finding faces", len(plan.photos)) as bar:
        for count in find_faces(plan, jobs):
            bar.advance(bar.task_ids[0], count)
    seconds = time.perf_counter() - started
    console.say(f"{len(plan.photos)} photos in {seconds:.1f} s", to=console.err)
    with console.progress_bar("Writing shards", 0) as bar:
        return build_dataset(
            plan, lambda done, all_: bar.update(bar.task_ids[0], completed=done, total=all_)
        )


def _show(report: Report, target: Path) -> None:
    """Print a summary table, and what could not be read."""
    from rich.table import Table

    for name, reason in report.unreadable[:_SHOWN]:
        console.complain(reason if name in reason else f"{name}: {reason}")
    if len(report.unreadable) > _SHOWN:
        more = len(report.unreadable) - _SHOWN
        console.complain(f"… and {more} more, listed in {target / 'report.json'}")
    table = Table(show_header=False, box=None)
    table.add_row("photos", str(report.photos))
    table.add_row("  unreadable", str(len(report.unreadable)))
    table.add_row("  without a face", str(len(report.without_face)))
    table.add_row("faces", str(report.faces))
    for reason, count in report.refused.items():
        table.add_row(f"  {reason}", str(count))
    for split, count in report.kept.items():
        groups = report.identities[split]
        table.add_row(f"  kept, {split}", f"{count} of {groups} persons or photos")
    console.out.print(table)
    console.say(f"look at {target / 'sheet.jpg'}", to=console.err)
    if not any(report.kept.values()):
        console.complain("no face was kept; the sheet shows why, and other thresholds may help")


def _exit_code(report: Report) -> int:
    if not any(report.kept.values()):
        return console.EXIT_NOTHING_DONE
    return console.EXIT_SOME_FAILED if report.unreadable else console.EXIT_OK
