"""`gpen train`: starts or resumes a training run and reports its progress."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpen.errors import MissingExtraError

from . import console

if TYPE_CHECKING:
    from gpen.training.config import Config
    from gpen.training.loop import Progress
    from gpen.training.processes import Processes

EPILOG = """
**Examples**

`gpen train default data.train=faces/ data.val=held-out/ --dry-run` — what it will take

`gpen train configs/default.toml optimiser.batch=8 device=cuda`

`gpen train configs/default.toml --resume` — goes on with the newest run of that name

`torchrun --nproc-per-node 8 -m gpen train configs/published.toml` — eight GPUs
"""


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="A TOML file, or default, published, described or described-2048.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE...]", help="Settings that override those of the file."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print parameters, memory and time; train nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the newest run of this name.")
    ] = False,
    prior: Annotated[
        Path | None, typer.Option(help="Start from the synthesis network of a StyleGAN2 generator.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs"),
    run: Annotated[Path | None, typer.Option(help="Resume the run in this folder.")] = None,
) -> None:
    """Train a restorer; stops cleanly on Ctrl-C and goes on with --resume."""
    # Waiting threads that spin cost most of the speed beside any other busy process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        import torch

        from gpen.training.config_file import load_config  # reads TOML, on Python 3.10 by tomli
    except ModuleNotFoundError:
        raise MissingExtraError("Training", extra="train") from None
    del torch
    from gpen.training.config_checks import check_shares
    from gpen.training.processes import Processes

    settings = list(overrides or [])
    if prior is not None:
        settings.append(f"network.prior={prior}")
    found = load_config(_config_path(config), settings)
    processes = Processes(found.device)
    if dry_run:
        check_shares(found, processes.world)
        _show_estimate(found, processes)
    else:
        raise typer.Exit(_train(found, processes, runs, run, resume=resume or run is not None))


def _config_path(name: str) -> Path:
    """A path, or that of a config that comes with gpen."""
    here = Path(__file__)
    for folder in (here.parents[1], here.parents[3]):  # an installed package, or a checkout
        shipped = folder / "configs" / f"{name}.toml"
        if shipped.exists() and not Path(name).exists():
            return shipped
    return Path(name)


def _train(
    config: Config, processes: Processes, runs: Path, run: Path | None, *, resume: bool
) -> int:
    from gpen.training.loop import Run, StoppedError
    from gpen.training.runs import run_folder

    with run_folder(runs, run, config, processes, resume=resume) as folder:
        training = Run(config, folder, processes, resume=resume)
        if processes.is_first:
            for line in training.beginnings:
                console.say(line)
            from_where = f"from step {training.step}" if resume else "from the beginning"
            console.say(f"{folder} · {from_where} to {config.steps} · {processes.device}")
        try:
            with _telling(config, training.step, shown=processes.is_first) as progress:
                training.train(progress)
        except StoppedError:
            if processes.is_first:
                console.complain(f"stopped at step {training.step}, saved; go on with --resume")
            return console.EXIT_INTERRUPTED
    if processes.is_first:
        console.say(f"{folder / 'weights.safetensors'} is ready; the best: best.safetensors")
    return console.EXIT_OK


@contextmanager
def _telling(config: Config, step: int, *, shown: bool) -> Iterator[Progress | None]:
    """A progress bar on a terminal; elsewhere a line now and then."""
    if not shown:
        yield None
        return
    with console.progress_bar("training", total=config.steps) as bar:
        task, began = bar.task_ids[0], time.monotonic()
        bar.update(task, completed=step)

        def tell(done: int, figures: dict[str, float]) -> None:
            bar.update(task, completed=done)
            if done % config.log_every == 0 and not console.err.is_terminal:
                losses = " ".join(f"{name} {value:.4g}" for name, value in figures.items())
                speed = (done - step) * config.optimiser.batch / (time.monotonic() - began)
                console.say(
                    f"step {done}/{config.steps} · {speed:.1f} faces/s · {losses}", to=console.err
                )

        yield tell


def _show_estimate(config: Config, processes: Processes) -> None:
    """Print what a run will take, and which batch fits."""
    from gpen.training.estimate import estimate
    from gpen.training.fitting import advice, free_mib

    with console.err.status("Counting and timing"):
        stages = estimate(config, processes)
    for number, stage in enumerate(stages):
        console.say(
            f"stage {number}: {stage.size} px, {stage.steps} steps · generator "
            f"{stage.generator / 1e6:.1f} M, discriminator {stage.discriminator / 1e6:.1f} M "
            f"parameters · about {stage.memory_mib / 1024:.1f} GiB · about "
            f"{_duration(stage.seconds)}"
        )
    total = sum(stage.seconds for stage in stages)
    console.say(advice(config, stages, processes.world, free_mib(processes.device)))
    console.say(f"in all about {_duration(total)} on {processes.world} × {processes.device}")


def _duration(seconds: float) -> str:
    for name, length in (("years", 365 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} s"
