"""The training loop: from a config to weights, with checkpoints, resuming and roll-backs."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from ..models import config_note
from ..networks.gpen import GPEN
from .allocation import keep_freed_memory
from .batches import Batches
from .config import Config
from .config_checks import check_data, check_shares
from .degradation import Recipe, recipe
from .encoder_init import load_encoder
from .face_dataset import Faces, open_faces
from .logs import Log, Means
from .network_setup import export_weights
from .optimiser_step import NotFiniteError
from .perceptual_losses import PerceptualLosses, open_perceptual_losses
from .prior import load_prior
from .processes import Processes
from .runs import (
    CHECKPOINT,
    load_checkpoint,
    note_settings,
    remove_temporary_files,
    save_checkpoint,
)
from .stopping import stop_signals
from .trainer import Trainer
from .validation import Validation, measure

_LOG = logging.getLogger("gpen")
#: Roll-backs in a row, without a checkpoint between them, before a run gives up.
_MAX_RETRIES = 5

#: Called after every step with the steps done and the mean figures since the last line of the log.
Progress = Callable[[int, dict[str, float]], None]


class StoppedError(Exception):
    """The run was stopped by a signal and has saved its state."""


class Run:
    """A run in its folder.

    Args:
        config: The settings of the run.
        folder: Its folder, with its config in it.
        processes: The processes of the run.
        resume: Whether to resume from the checkpoint in the folder.

    Attributes:
        beginnings: For each file that the run starts from, a line on what was loaded from it.

    Raises:
        ConfigError: Files are missing, or the checkpoint belongs to another network.
        TrainingError: There are no faces, or the checkpoint is damaged.
    """

    def __init__(
        self, config: Config, folder: Path, processes: Processes, *, resume: bool = False
    ) -> None:
        check_data(config)
        check_shares(config, processes.world)
        if processes.device.type == "cpu":
            keep_freed_memory()
        self.config, self.folder, self.processes = config, folder, processes
        self._perceptual_losses: PerceptualLosses = open_perceptual_losses(config, processes.device)
        damage = config.degradation
        self._recipe: Recipe = recipe(damage.presets, light=damage.light, grey=damage.grey)
        self._trainer = Trainer(config, self._perceptual_losses, processes, fresh=not resume)
        self._means = Means()
        self.beginnings: list[str] = []
        if resume:
            self._load()
        else:
            self._begin()
        self._best = float("inf")
        self._saved_retries = self._trainer.retries
        self._open(self._trainer.size)
        if resume and processes.is_first:
            note_settings(folder, config, self._trainer.step)
            remove_temporary_files(folder)
        self._log = Log(folder, self._trainer.step) if processes.is_first else None
        self._tell_faces()

    def _load(self) -> None:
        """Load the checkpoint in the folder."""
        state = load_checkpoint(self.folder, self.config)
        self._trainer.load_state(state)
        self._means = Means(state.get("means"))

    def _begin(self) -> None:
        """Load the initial weights that the config names."""
        network, net = self.config.network, self._trainer.net
        if network.prior:
            prior = load_prior(Path(network.prior), net)
            self.beginnings.append(f"{network.prior}: {prior.summary()}")
            if self.processes.is_first:
                (self.folder / "prior.txt").write_text(prior.report(), encoding="utf-8")
        if network.encoder_init:
            taken = load_encoder(Path(network.encoder_init), net)
            self.beginnings.append(f"{network.encoder_init}: {taken}")
        self._trainer.restart_averages()

    def _open(self, size: int) -> None:
        """Open the faces at a size."""
        data = self.config.data
        self._faces: Faces = open_faces(data.train, size)
        self._validation = Validation(open_faces(data.val, size), self._recipe, self.config)
        self._named = 0
        self._name_skipped()
        self._batches = self._new_batches()

    def _name_skipped(self) -> bool:
        """Warn of images left out since the last call; whether there are any."""
        skipped = self._faces.skipped
        new, self._named = skipped[self._named :], len(skipped)
        for name, reason in new[:5]:
            _LOG.warning("left out %s: %s", name, reason)
        if len(new) > 5:
            _LOG.warning("left out %d images in all", len(skipped))
        return bool(new)

    def _tell_faces(self) -> None:
        self._tell("event", {"faces": len(self._faces), "skipped": len(self._faces.skipped)})

    def _new_batches(self) -> Batches:
        return Batches(
            self._faces,
            self._recipe,
            self.config,
            step=self._trainer.step,
            retry=self._trainer.retries,
            rank=self.processes.rank,
            world=self.processes.world,
        )

    @property
    def step(self) -> int:
        """Steps done."""
        return self._trainer.step

    @property
    def retries(self) -> int:
        """Number of roll-backs."""
        return self._trainer.retries

    @property
    def generator(self) -> GPEN:
        """The network in training."""
        return self._trainer.net

    @property
    def averages(self) -> list[GPEN]:
        """Its moving averages."""
        return self._trainer.averages

    def train(self, progress: Progress | None = None) -> None:
        """Train until all steps are done.

        Raises:
            StoppedError: SIGTERM or SIGINT came; the state is saved.
            TrainingError: The run cannot go on; the last checkpoint is intact.
        """
        with stop_signals() as stop, self._log or contextlib.nullcontext():
            while self.step < self.config.steps:
                figures = self._one_step()
                if figures is None:
                    continue
                if progress is not None:
                    progress(self.step, figures)
                stopping = self.processes.any(bool(stop))
                done = self.step == self.config.steps
                ended = self.config.stage_ended_at(self.step)
                if done or stopping or ended is not None or self.step % self.config.every == 0:
                    self._keep(evaluate=not stopping, ended=ended)
                if stopping and not done:
                    raise StoppedError

    def _one_step(self) -> dict[str, float] | None:
        """Mean figures since the last line of the log; None if the run was rolled back."""
        size = self.config.size_at(self.step)
        if size != self._trainer.size:
            if size != 2 * self._trainer.size:
                raise TrainingError(
                    f"the run is at {self._trainer.size} px and the stage at {size} px; expected "
                    "the same or twice as much: set stages back, or begin a new run"
                )
            self._trainer.grow(size)
            self._open(size)
            self._tell_faces()
        started = time.perf_counter()
        parts = [batch.to(self.processes.device) for batch in self._batches.step()]
        waited = time.perf_counter() - started
        try:
            figures = self._trainer.train_step(parts)
        except NotFiniteError:
            self._roll_back()
            return None
        seconds = time.perf_counter() - started
        self._means.add({**figures, "waited_s": waited, "seconds": seconds})
        means = self._means.figures()
        means["faces_per_s"] = self.config.optimiser.batch / means.pop("seconds")
        if self.step % self.config.log_every == 0:
            self._means = Means()
            self._tell("train", means)
            if self._name_skipped():  # damage that only shows when an image is decoded
                self._tell_faces()
        return means

    def _roll_back(self) -> None:
        """Go back to the last checkpoint, and continue with other faces.

        Raises:
            TrainingError: There is no checkpoint, or there were too many roll-backs.
        """
        step, retries = self.step, self._trainer.retries + 1
        if retries - self._saved_retries > _MAX_RETRIES:
            raise TrainingError(
                f"the losses became NaN {_MAX_RETRIES} times after step {step}: lower "
                "optimiser.lr, set optimiser.clip_norm=1, or use precision=f32, then --resume"
            )
        if not (self.folder / CHECKPOINT).exists():
            raise TrainingError(
                f"the losses became NaN at step {step}, before the first checkpoint: lower "
                "optimiser.lr or set optimiser.warmup"
            )
        self._load()
        self._trainer.retries = retries
        _LOG.warning("NaN at step %d: back to step %d, with other faces", step, self.step)
        self._tell("event", {"rolled_back_from": step, "retries": retries})
        if self._faces.size != self._trainer.size:
            self._open(self._trainer.size)
        else:
            self._batches = self._new_batches()

    def _keep(self, *, evaluate: bool, ended: int | None) -> None:
        """Save a checkpoint, evaluate, and keep the best weights.

        Args:
            evaluate: Whether to evaluate.
            ended: Number of the stage that ends at this step, if any.
        """
        self._saved_retries = self._trainer.retries
        if self._log is not None:
            state = {**self._trainer.state(), "means": self._means.sums()}
            save_checkpoint(state, self.config, self.folder)
            self._export(self.averages[0], "weights.safetensors")
            if ended is not None:
                self._export(self.averages[0], f"stage-{ended}.safetensors")
            if evaluate:
                self._evaluate(self._log)
        self.processes.wait()

    def _evaluate(self, log: Log) -> None:
        device, size = self.processes.device, self._trainer.size
        for average, half_life in zip(
            self.averages, self.config.optimiser.ema_half_lives, strict=True
        ):
            figures = self._validation.figures(average, self._perceptual_losses, device)
            name = measure(figures)
            best = self._best_before(log, name)
            self._tell("val", {**figures, "size": size, "half_life": half_life})
            if size == self.config.network.size and figures[name] < best:
                self._best = figures[name]
                self._export(average, "best.safetensors")
        log.add_sheet(self.step, self._validation.sheet_rows(self.averages[0], device))

    def _best_before(self, log: Log, name: str) -> float:
        """The lowest value of a figure so far, earlier sessions of the run included."""
        if self._best == float("inf"):
            scores = [
                entry[name]
                for entry in log.entries("val")
                if entry["size"] == self.config.network.size
                and entry["step"] < self.step
                and name in entry
            ]
            self._best = min(scores, default=self._best)
        return self._best

    def _export(self, net: GPEN, name: str) -> None:
        export_weights(net, self.folder / name, config_note(net.config))

    def _tell(self, kind: str, values: dict[str, Any]) -> None:
        if self._log is not None:
            self._log.add(kind, self.step, values)
