"""Advises on the largest batch that fits into memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from .config import Config
from .estimate import StageEstimate

#: Share of the free memory that a run may plan with: estimates err, and others need some too.
_USABLE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


def free_mib(device: torch.device) -> float:
    """Memory that a process can still allocate on a device, in MiB."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**20
    import psutil

    free = float(psutil.virtual_memory().available)  # type: ignore[no-untyped-call]
    with contextlib.suppress(OSError, ValueError):  # a container's limit, where there is one
        limit, used = (
            int((_CGROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current")
        )
        free = min(free, limit - used)
    return free / 2**20 / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's


def advice(config: Config, stages: Sequence[StageEstimate], world: int, free: float) -> str:
    """Say in one line whether a run's batch fits, and if not, which would.

    Args:
        config: The run; its batch is divisible among the processes.
        stages: Its stages, estimated.
        world: Processes that share a batch.
        free: Memory of each in MiB.
    """
    worst = max(stages, key=lambda stage: stage.memory_mib)
    most = min(int((_USABLE * free - s.fixed_mib) // s.face_mib) for s in stages)
    needed = (
        f"{worst.faces} at once at {worst.size} px need about {_gib(worst.memory_mib)} of "
        f"{_gib(free)} that are free"
    )
    if worst.faces <= most:
        return f"memory: {needed}; up to {most} at once would fit"
    group = max(1, config.discriminator.group)
    if fitting := most // group * group:
        batch = fitting * world * config.optimiser.accumulate
        return (
            f"memory: {needed}, {fitting} fit: set optimiser.accumulate="
            f"{_parts(config, world, fitting)} or optimiser.batch={batch}"
        )
    smallest = worst.fixed_mib + group * worst.face_mib
    return (
        f"memory: {needed}, and even {group} would need {_gib(smallest)}: choose a device with "
        "more, or lower network.narrow, network.size or discriminator.group"
    )


def _parts(config: Config, world: int, most: int) -> int:
    """The smallest number of parts (`accumulate`) for which each process has enough memory."""
    batch, group = config.optimiser.batch, max(1, config.discriminator.group)
    return next(
        parts
        for parts in range(config.optimiser.accumulate, batch + 1)
        if batch % (world * parts * group) == 0 and batch <= most * world * parts
    )


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB"
