"""The folder of a run: everything needed to repeat it or go on with it.

runs/00003-default/
  config.toml          the whole config, defaults included
      config-STEP.toml     the config from a step on, where it was changed
  run.json             command, seed, git commit, versions, machine
  checkpoint.pt        the state to go on from
  weights.safetensors  the first moving average at the last checkpoint
  best.safetensors     the moving average that did best on held-out faces
  stage-N.safetensors  the first moving average at the end of stage N
  log.jsonl            losses and figures, as JSON lines
  samples/             sheets of damaged, restored and true faces
  tensorboard/
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ..errors import ConfigError, TrainingError, WriteError
from ..files import remove_leftovers, written_whole
from ..version import VERSION
from .config import Config
from .config_file import parse_config, to_toml
from .processes import Processes

CHECKPOINT, CONFIG, LOG = "checkpoint.pt", "config.toml", "log.jsonl"
_NUMBERED = re.compile(r"(\d{5})-(.*)")
#: Age from which a temporary file counts as abandoned.
_ABANDONED_S = 3600.0
#: Settings that must not change when a run is resumed.
_DECISIVE = ("network", "discriminator")
#: Settings that say where to start, which are ignored once a run has begun.
_BEGINNINGS = ("init", "prior", "encoder_init")


def new_run(folder: Path, config: Config) -> Path:
    """Make the next numbered folder for a run.

    Raises:
        WriteError: The folder cannot be written.
    """
    taken = [int(match[1]) for match in map(_NUMBERED.fullmatch, _names(folder)) if match]
    run = folder / f"{max(taken, default=-1) + 1:05d}-{config.name}"
    for other in _names(folder):
        if _NUMBERED.fullmatch(other):
            remove_temporary_files(folder / other, older_than_s=_ABANDONED_S)
    try:
        run.mkdir(parents=True)
        try:
            _describe(run, config)
        except BaseException:
            shutil.rmtree(run, ignore_errors=True)
            raise
    except OSError as error:
        raise WriteError(
            f"cannot make {run} ({error.strerror}): choose another --runs folder", path=run
        ) from error
    return run


def _describe(run: Path, config: Config) -> None:
    (run / "samples").mkdir()
    (run / CONFIG).write_text(to_toml(config), encoding="utf-8")
    text = json.dumps(_circumstances(config), indent=2, ensure_ascii=False)
    (run / "run.json").write_text(text + "\n", encoding="utf-8")


def note_settings(run: Path, config: Config, step: int) -> None:
    """Write `config-STEP.toml` if a run is resumed with other settings.

    Raises:
        WriteError: The folder cannot be written.
    """
    text, path = to_toml(config), run / f"config-{step}.toml"
    if text != (run / CONFIG).read_text(encoding="utf-8"):
        with written_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def latest_run(folder: Path, name: str) -> Path:
    """The newest run of a name with a checkpoint.

    Raises:
        TrainingError: There is none.
    """
    for run in sorted(_names(folder), reverse=True):
        match = _NUMBERED.fullmatch(run)
        if match and match[2] == name and (folder / run / CHECKPOINT).exists():
            return folder / run
    raise TrainingError(
        f"{folder} holds no run named {name!r} with a checkpoint; leave --resume out to begin one"
    )


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _circumstances(config: Config) -> dict[str, Any]:
    packages = {name: version(name) for name in ("torch", "numpy", "opencv-python-headless")}
    return {
        "command": sys.argv,
        "seed": config.seed,
        "commit": _git_commit(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "gpen": VERSION,
        **packages,
    }


def _git_commit() -> str | None:
    """The commit of this code, with `+` if files were changed; None outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(here), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", str(here)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def save_checkpoint(state: dict[str, Any], config: Config, run: Path) -> None:
    """Replace a run's checkpoint atomically.

    Raises:
        TrainingError: The disk is full or cannot be written; the old checkpoint is intact.
    """
    path = run / CHECKPOINT
    try:
        with written_whole(path) as temporary:
            torch.save({**state, "config": to_toml(config)}, temporary)
    except (WriteError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        kept = "the one before is intact" if path.exists() else "there is none before it"
        raise TrainingError(
            f"cannot save the checkpoint of step {state['step']} ({error}); {kept}: free some "
            "space and start again with --resume"
        ) from error


def load_checkpoint(run: Path, config: Config) -> dict[str, Any]:
    """Read a run's checkpoint.

    Raises:
        TrainingError: It is missing or damaged.
        ConfigError: It belongs to another network; names what differs.
    """
    path = run / CHECKPOINT
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        text = state["config"]
    except FileNotFoundError:
        raise TrainingError(
            f"{run} holds no {CHECKPOINT}; expected the folder of a run that was stopped"
        ) from None
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"{path} is no checkpoint of gpen, or damaged ({reason}): begin a new run"
        ) from error
    _check_same_network(text, config, run)
    return state


def _check_same_network(text: str, config: Config, run: Path) -> None:
    before = parse_config(text)
    differing = [
        f"{section}.{key}: {old!r} then, {getattr(getattr(config, section), key)!r} now"
        for section in _DECISIVE
        for key in getattr(before, section).__dataclass_fields__
        if key not in _BEGINNINGS
        and (old := getattr(getattr(before, section), key))
        != getattr(getattr(config, section), key)
    ]
    if differing:
        raise ConfigError(
            f"the checkpoint in {run} is of another network ({'; '.join(differing)}): set these "
            "back, or leave --resume out",
            key=differing[0].split(":")[0],
        )


@contextlib.contextmanager
def run_folder(
    runs: Path, run: Path | None, config: Config, processes: Processes, *, resume: bool
) -> Iterator[Path]:
    """The folder of a run, the same for all its processes: a new one, or one to resume.

    A new folder is removed again if the block fails before anything was trained.

    Args:
        runs: Where run folders are made.
        run: The folder to resume; None for the newest run of that name.
        config: The run.
        processes: The processes of the run; the first one makes the folder.
        resume: Whether to resume a run.

    Raises:
        TrainingError: There is no run to resume.
        WriteError: The folder cannot be made.
    """
    if run is not None or resume:
        yield run or latest_run(runs, config.name)
        return
    had_runs, made = runs.exists(), None
    try:
        if processes.is_first:
            made = new_run(runs, config)
        processes.wait()
        yield made or _newest(runs, config.name)
    except BaseException:
        if made is not None and not _has_trained(made):
            shutil.rmtree(made, ignore_errors=True)
        if not had_runs:
            with contextlib.suppress(OSError):  # there is something in it
                runs.rmdir()
        raise


def _has_trained(run: Path) -> bool:
    """Whether a run has weights, or a logged step."""
    log = run / LOG
    return (run / CHECKPOINT).exists() or (
        log.exists() and '"kind": "train"' in log.read_text(encoding="utf-8")
    )


def remove_temporary_files(run: Path, *, older_than_s: float = 0.0) -> None:
    """Delete half-written files of killed processes from a run's folder.

    Args:
        run: The folder.
        older_than_s: See `remove_leftovers`; above 0 if the run may still be active.
    """
    for folder in (run, run / "samples"):
        remove_leftovers(folder, older_than_s=older_than_s)


def _newest(runs: Path, name: str) -> Path:
    found = [run for run in _names(runs) if run.endswith(f"-{name}")]
    if not found:
        raise TrainingError(
            f"{runs} does not show the run that the first process made; expected a folder that all "
            "machines share: choose one by --runs"
        )
    return runs / max(found)
