"""Batches of degraded faces, which depend on the seed, the step and the number of a face alone.

The faces of a step are numbered, and each of its parts takes a range of numbers. So a run that is
resumed, or distributed over more processes, sees the same faces in the same order.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import TrainingError
from ..perceptual.image_tensors import to_tensor
from .config import Config
from .config_sections import Data
from .degradation import Recipe, degrade
from .face_dataset import Faces, Sample
from .framing import reframe, vary_tone

_LOG = logging.getLogger("gpen")
_MAX_RESTARTS = 3
#: Share of sharp faces that perceptual losses see whole and scaled down instead of cropped.
_LOOKS_WHOLE = 0.4


@dataclass(frozen=True, slots=True)
class Batch:
    """Faces to learn from.

    Attributes:
        damaged: (N, 3, S, S) RGB in [-1, 1].
        truth: The same, undamaged.
        points_xy: (N, 5, 2) in pixels.
        inside: (N,), share of each image that is not filled by mirroring.
        sharp: (N,), 1 if the truth has detail at this size, else 0.
        cut_xy: (N, 2), top left corner of the crop for perceptual losses, as a fraction of the
            range that it can have; negative for the whole image.
    """

    damaged: Tensor
    truth: Tensor
    points_xy: Tensor
    inside: Tensor
    sharp: Tensor
    cut_xy: Tensor

    @classmethod
    def of_sharp_faces(
        cls, damaged: Tensor, truth: Tensor, points_xy: Tensor, inside: Tensor
    ) -> Batch:
        """A batch of sharp faces without crops."""
        return cls(
            damaged, truth, points_xy, inside, torch.ones_like(inside), -torch.ones(len(inside), 2)
        )

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        tensors = (getattr(self, item.name) for item in dataclasses.fields(self))
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in tensors))


class DamagedFaces(Dataset[tuple[Any, ...]]):
    """Degraded faces, by (step, number)."""

    def __init__(self, faces: Faces, recipe: Recipe, seed: tuple[int, ...], data: Data) -> None:
        self._faces, self._recipe, self._seed, self._data = faces, recipe, seed, data
        self._sharp = sharp_faces(faces, data)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Any, ...]:
        """The fields of `Batch` for one face, in their order."""
        random = np.random.default_rng((*self._seed, *key))
        pool: Sequence[int] = range(len(self._faces))
        if self._data.sharp_share and random.random() < self._data.sharp_share:
            pool = self._sharp or pool
        sample = self._faces[pool[int(random.integers(len(pool)))]]
        return damage(vary(sample, random, self._data), random, self._recipe, self._data)


def vary(sample: Sample, random: np.random.Generator, data: Data) -> Sample:
    """Mirror, reframe and recolour a face at random."""
    pixels, points = sample.pixels, sample.points_xy
    if random.random() < data.flip:
        pixels, points = np.ascontiguousarray(pixels[:, ::-1]), mirrored(points, len(pixels))
    pixels, points = reframe(pixels, points, random, data)
    if data.tone:
        pixels = vary_tone(pixels, random, data.tone)
    return dataclasses.replace(sample, pixels=pixels, points_xy=points)


def damage(
    sample: Sample, random: np.random.Generator, recipe: Recipe, data: Data
) -> tuple[Any, ...]:
    """Degrade a face: the fields of `Batch`, in their order."""
    damaged, truth = degrade(sample.pixels, random, recipe)
    sharp = is_sharp(sample.native, len(sample.pixels), data)
    looks_whole = random.random() < _LOOKS_WHOLE or not sharp
    cut_xy = np.full(2, -1.0) if looks_whole else random.random(2)
    return damaged, truth, sample.points_xy, sample.inside, float(sharp), cut_xy


def is_sharp(native: int, size: int, data: Data) -> bool:
    """Whether a face of originally `native` px (0 if unknown) has detail at `size` px."""
    return not native or native >= data.detail * size


def sharp_faces(faces: Faces, data: Data) -> list[int]:
    """Numbers of the sharp faces."""
    sides = enumerate(faces.native_sides)
    return [number for number, native in sides if is_sharp(native, faces.size, data)]


def mirrored(points_xy: Any, size: int) -> Any:
    """The five points of a mirrored image; left and right change places."""
    flipped = points_xy[[1, 0, 2, 4, 3]].copy()
    flipped[:, 0] = size - 1 - flipped[:, 0]
    return flipped


def collate(samples: list[tuple[Any, ...]]) -> tuple[Tensor, ...]:
    """Samples as tensors, which travel between processes in shared memory.

    Arrays would go through a pipe in pieces; if a worker is killed between two pieces, the reader
    waits for ever.
    """
    return tuple(torch.from_numpy(np.stack(values)) for values in zip(*samples, strict=True))


def to_batch(tensors: tuple[Tensor, ...]) -> Batch:
    """The result of `collate` as a batch."""
    damaged, truth, *others = tensors
    return Batch(to_tensor(damaged), to_tensor(truth), *(tensor.float() for tensor in others))


def numbers_of_part(batch: int, part: int, parts: int) -> range:
    """The numbers of the faces in a part of a step."""
    share = batch // parts
    return range(part * share, (part + 1) * share)


class Batches:
    """An endless stream of steps for one process.

    Args:
        faces: The data set.
        recipe: How faces are degraded.
        config: The run.
        step: First step.
        retry: Number of roll-backs; after each, other faces are drawn.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(
        self,
        faces: Faces,
        recipe: Recipe,
        config: Config,
        *,
        step: int,
        retry: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._config, self._step, self._rank, self._world = config, step, rank, world
        seed = (config.seed, retry)
        self._damaged = DamagedFaces(faces, recipe, seed, config.data)
        self._loaded = self._load()
        self._restarts = 0

    def step(self) -> list[Batch]:
        """The parts of the next step for this process.

        Raises:
            TrainingError: Workers died again and again.
        """
        parts: list[Batch] = []
        while len(parts) < self._config.optimiser.accumulate:
            try:
                parts.append(to_batch(next(self._loaded)))
            except (RuntimeError, EOFError, OSError) as error:
                # A worker was killed; its batches depend on their numbers alone and are made again.
                self._restarts += 1
                if not self._config.data.workers:
                    raise
                if self._restarts > _MAX_RESTARTS:
                    raise TrainingError(
                        f"data workers were lost {self._restarts} times in a row ({error}): free "
                        "memory or lower data.workers, then --resume"
                    ) from error
                _LOG.warning("a data worker was lost (%s); starting them anew", error)
                self._loaded, parts = self._load(), []
        self._step, self._restarts = self._step + 1, 0
        return parts

    def _keys(self) -> Iterator[list[tuple[int, int]]]:
        optimiser, step = self._config.optimiser, self._step
        while True:
            for micro in range(optimiser.accumulate):
                part = micro * self._world + self._rank
                numbers = numbers_of_part(optimiser.batch, part, optimiser.accumulate * self._world)
                yield [(step, number) for number in numbers]
            step += 1

    def _load(self) -> Iterator[tuple[Tensor, ...]]:
        workers = self._config.data.workers
        if workers:
            # OpenCV's threads do not survive a fork; a worker that touched them would wait forever.
            cv2.setNumThreads(1)
        loader = iter(
            DataLoader(
                self._damaged,
                batch_sampler=self._keys(),
                collate_fn=collate,
                num_workers=workers,
                prefetch_factor=4 if workers else None,
                worker_init_fn=_begin_worker,
                # Its own, so that making a loader takes no number from the run's random state.
                generator=torch.Generator(),
            )
        )
        if workers and threading.current_thread() is threading.main_thread():
            # torch raises from its handler wherever the program is just then, in the middle of a
            # step too; without it a lost worker shows when its next batch is asked for.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return loader


def _begin_worker(_worker: int) -> None:
    """Use one thread in each worker, and leave Ctrl-C to the main process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
