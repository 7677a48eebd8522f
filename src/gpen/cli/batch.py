"""`gpen batch`: restores folders and buckets of photos with Ray, on one machine or many."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gpen import __version__
from gpen.cluster.manifest import REPORT
from gpen.errors import SettingsError, WriteError
from gpen.files import os_errors_as
from gpen.json_text import json_text
from gpen.options import options_of
from gpen.settings import Settings

from . import console
from .option_parameters import with_options
from .result_parameters import refuse_both

if TYPE_CHECKING:
    from gpen.cluster.batch_plan import Plan
    from gpen.cluster.manifest import PhotoResult, Row
    from gpen.cluster.ray_run import WorkerConfig
    from gpen.cluster.storage import Storage

EPILOG = """
**Examples**

`gpen batch photos/ restored/` — this machine; run it again, and it goes on

`gpen batch s3://bucket/old s3://bucket/new --format png --ray head:6379`

`gpen batch /shared/old /shared/new --ray auto --gpus-per-worker 1`
"""
#: Seconds between lines about progress where no bar can be drawn.
_LINE_EVERY = 30


@with_options(*options_of(Settings), grouped=True)
def batch(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A folder, searched recursively, or s3://, gs:// …")
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="DST", help="Folder or bucket for the results, under the same names."
        ),
    ],
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a Ray cluster, such as host:6379; default: this machine.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of workers; 0 means one per GPU or machine."),
    ] = 0,
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help="1, or 0.5 for two workers per GPU; 0 runs on CPUs.")
    ] = 0,
    jobs: Annotated[
        int, typer.Option(min=1, help="Photos that a worker restores at the same time.")
    ] = 2,
    block: Annotated[
        int, typer.Option(min=1, help="Photos given to a worker at once; a lost block is redone.")
    ] = 16,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that gpen batch did not record.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip photos that already have such a result.")
    ] = False,
    **options: Any,
) -> None:
    """Restore a folder or bucket with many workers; resumes where it stopped."""
    from gpen.cluster.ray_run import WorkerConfig, load_ray
    from gpen.cluster.storage import Storage

    refuse_both(overwrite=overwrite, skip_existing=skip_existing)
    settings = Settings(**options)
    load_ray()
    storages = Storage(source), Storage(target)
    for storage in storages:
        if not storage.is_shared:
            raise SettingsError(
                f"{storage.url} is in the memory of this process only; expected a folder or bucket "
                "that the workers see too"
            )
    worker_config = WorkerConfig(ray, workers, gpus_per_worker)
    run = _Run(*storages, settings, worker_config, jobs, overwrite=overwrite)
    raise typer.Exit(run.through(run.plan(block, skip_existing=skip_existing)))


class PhotoRestorer:
    """Restores photos in a worker; holds the model."""

    def __init__(self, settings: Settings) -> None:
        from gpen import Restorer

        self._restorer = Restorer(settings)
        _ = self._restorer.engine  # a model that cannot run is one error, not one per photo

    def __call__(self, data: bytes, name: str, target: Path) -> PhotoResult:
        """Restore a photo from the bytes of its file to another file."""
        from gpen.cluster.manifest import PhotoResult

        from .restore_extras import Options
        from .restore_inputs import Task, run_one

        outcome = run_one(Task(data, name, target), self._restorer, Options())
        return PhotoResult(
            status=outcome.status,
            error=outcome.error,
            width=outcome.width,
            height=outcome.height,
            faces=len(outcome.faces),
            restored=sum(1 for face in outcome.faces if face["restored"]),
            seconds=outcome.seconds,
            model=outcome.model,
            engine=outcome.engine,
            device=outcome.device,
            precision=outcome.precision,
        )


class _Run:
    """One run from the listing to the report."""

    def __init__(
        self,
        source: Storage,
        target: Storage,
        settings: Settings,
        worker_config: WorkerConfig,
        jobs: int,
        *,
        overwrite: bool,
    ) -> None:
        from gpen.cluster.manifest import fingerprint
        from gpen.models import find_model

        self._source, self._target = source, target
        self._settings, self._worker_config = settings, worker_config
        self._jobs, self._overwrite = jobs, overwrite
        model = find_model(settings.model, settings.models_dir)
        self._fingerprint = fingerprint(dataclasses.asdict(settings), model.sha256)

    def plan(self, block: int, *, skip_existing: bool) -> Plan:
        """Look at source, target and manifest, and finish what an earlier run has recorded."""
        from gpen.cluster.batch_plan import find_photos, make_plan
        from gpen.cluster.manifest import Manifest
        from gpen.cluster.publishing import recover

        with console.err.status(f"Looking at {self._source.url} and {self._target.url}"):
            photos = find_photos(self._source, self._target)
            existing = self._target.files(missing_ok=True)
            rows = Manifest(self._target).read_all(existing)
            rows, there = recover(self._target, rows, existing, overwrite=self._overwrite)
            return make_plan(
                photos,
                rows,
                there,
                settings=self._fingerprint,
                format=self._settings.format,
                block_size=block,
                overwrite=self._overwrite,
                skip_existing=skip_existing,
            )

    def through(self, plan: Plan) -> int:
        """Restore what the plan has left; returns the exit code."""
        rows = [*plan.done, *plan.settled]
        for row in plan.settled:
            _tell(row)
        began = time.monotonic()
        try:
            for row in self._restore(plan) if plan.blocks else ():
                rows.append(row)
                _tell(row)
        finally:
            if rows:
                self._write_report(rows)
        _show_summary(rows, len(plan.done), time.monotonic() - began)
        console.say(f"{self._target.url}/{REPORT} says what became of each", to=console.err)
        failed = sum(1 for row in rows if row.status == "failed")
        if not failed:
            return console.EXIT_OK
        return console.EXIT_NOTHING_DONE if failed == len(rows) else console.EXIT_SOME_FAILED

    def _restore(self, plan: Plan) -> Iterator[Row]:
        """Run the blocks and show progress."""
        from gpen.cluster.ray_run import run_blocks
        from gpen.cluster.worker import Job

        left = sum(len(block.photos) for block in plan.blocks)
        before = len(plan.done) + len(plan.settled)
        with ExitStack() as stack:
            job = Job.start(
                self._source,
                self._target,
                settings=self._fingerprint,
                overwrite=self._overwrite,
                jobs=self._jobs,
            )
            stack.callback(self._target.remove, job.token)
            count = stack.enter_context(_counting(before, before + left))
            make_restore = partial(PhotoRestorer, self._settings)
            for rows in run_blocks(plan.blocks, job, make_restore, self._worker_config):
                yield from rows
                count(len(rows))

    def _write_report(self, rows: Sequence[Row]) -> None:
        """Write the report: each photo, and the settings."""
        report = {
            "gpen": __version__,
            "source": self._source.url,
            "settings": dataclasses.asdict(self._settings),
            "counts": Counter(row.status for row in rows),
            "inputs": [dataclasses.asdict(row) for row in sorted(rows, key=lambda row: row.name)],
        }
        text = json_text(report, indent=1)
        with os_errors_as(WriteError, f"cannot write to {self._target.url}", errors=(Exception,)):
            self._target.write_whole(REPORT, f"{text}\n".encode(), replace=True)


@contextmanager
def _counting(done: int, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; elsewhere a line now and then."""
    with console.progress_bar("Restoring", total) as bar:
        bar.update(bar.task_ids[0], completed=done)
        began = said = time.monotonic()
        start = done

        def count(more: int) -> None:
            nonlocal done, said
            done += more
            bar.update(bar.task_ids[0], completed=done)
            now = time.monotonic()
            if not console.err.is_terminal and now - said >= _LINE_EVERY:
                said = now
                speed = (done - start) / (now - began)
                console.say(f"{done} of {total} · {speed:.2f} photos/s", to=console.err)

        yield count


def _tell(row: Row) -> None:
    """Print one line for each failed photo."""
    if row.status == "failed":
        console.complain(str(row.error))


def _show_summary(rows: Sequence[Row], n_before: int, seconds: float) -> None:
    """Print a summary table."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right")
    for status, n in sorted(Counter(row.status for row in rows).items()):
        table.add_row(str(n), status)
    table.add_row(str(sum(row.restored for row in rows)), "faces restored")
    console.out.print(table)
    n_now = sum(1 for row in rows[n_before:] if row.status in ("restored", "no face"))
    speed = f", {n_now / seconds:.2f} photos/s" if n_now and seconds else ""
    before = f"{n_before} done before; " if n_before else ""
    console.say(f"{before}{n_now} restored now in {seconds:.0f} s{speed}", to=console.err)
