"""What a run will need, before it begins: parameters, memory, time.

Operations and memory are counted on networks without data (torch's meta device); the speed is
measured in one short step of the smallest kind on this machine. An estimate, good to a factor of
about two.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..nets.discriminator import Discriminator
from ..nets.patchgan import PatchDiscriminator
from .batches import Batch
from .config import Config
from .judges import Judges
from .networks import build_discriminator, build_generator
from .processes import Processes
from .trainer import Trainer

_PROBE_SIDE, _PROBE_FACES = 64, 4
#: Networks, gradients and two moments of Adam, in f32; and the generator's moving average.
_COPIES, _AVERAGE = 4, 1


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage of a run.

    Attributes:
        size: Side of the pictures.
        steps: Steps of the stage.
        generator: Parameters of the generator.
        discriminator: Parameters of the discriminator.
        memory_mib: Weights, optimisers and what is kept for differentiating, in MiB.
        seconds: Time of the whole stage.
    """

    size: int
    steps: int
    generator: int
    discriminator: int
    memory_mib: float
    seconds: float


def estimate(config: Config, processes: Processes) -> list[StageEstimate]:
    """Estimate every stage of a run on this machine."""
    side = min(_PROBE_SIDE, config.network.size)  # `network.channels` has no more levels
    probe = dataclasses.replace(
        config,
        compile=False,
        network=dataclasses.replace(config.network, size=side, init="", prior="", encoder_init=""),
        optimiser=dataclasses.replace(config.optimiser, batch=_PROBE_FACES, accumulate=1),
        discriminator=dataclasses.replace(config.discriminator, group=0),
        stages=(dataclasses.replace(config.stages[-1], size=0, steps=4),),
    )
    per_operation = _seconds_per_step(probe, processes) / (
        _operations(probe, side, 0) * _PROBE_FACES
    )
    found, step = [], 0
    for stage in config.stages:
        size = config.size_at(step)
        faces = config.optimiser.batch / processes.world
        operations = _operations(config, size, step) * faces
        found.append(
            StageEstimate(
                size=size,
                steps=stage.steps,
                generator=_parameters(_nets(config, size, step).net),
                discriminator=_parameters(_nets(config, size, step).discriminator),
                memory_mib=_memory(config, size, step, processes.world) / 2**20,
                seconds=operations * per_operation * stage.steps,
            )
        )
        step += stage.steps
    return found


@dataclass(frozen=True, slots=True)
class _Nets:
    """A run's networks at one side, without data."""

    net: nn.Module
    discriminator: Discriminator | PatchDiscriminator | None
    picture: Tensor


def _nets(config: Config, size: int, step: int) -> _Nets:
    """What a step differentiates; no discriminator where it has no part in the loss."""
    # One picture stands for all, so nothing is compared within groups.
    alone = dataclasses.replace(
        config, discriminator=dataclasses.replace(config.discriminator, group=0)
    )
    with torch.device("meta"):
        judged = build_discriminator(alone, size) if config.loss_at(step).adversarial else None
        return _Nets(build_generator(config, size), judged, torch.zeros(1, 3, size, size))


def _parameters(net: nn.Module | None) -> int:
    return sum(parameter.numel() for parameter in net.parameters()) if net is not None else 0


def _operations(config: Config, size: int, step: int) -> float:
    """Floating-point operations for one face in one step."""
    nets = _nets(config, size, step)
    total = _count(lambda: nets.net(nets.picture)) * 3  # forward once, backward about twice
    if (discriminator := nets.discriminator) is not None:
        once = _count(lambda: discriminator.judge(nets.picture))
        passes = 2 + 6 + (1 if config.loss_at(step).feature_matching else 0)
        total += once * (passes + 6 / config.loss.r1_every)
    return total


def _count(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def _memory(config: Config, size: int, step: int, world: int) -> float:
    """Bytes for weights and their optimisers, and for what differentiating keeps."""
    faces = max(1, config.optimiser.batch // (config.optimiser.accumulate * world))
    nets = _nets(config, size, step)
    weights = _parameters(nets.net) * (_COPIES + _AVERAGE) * 4
    kept = _kept_bytes(lambda: nets.net(nets.picture))
    if (discriminator := nets.discriminator) is not None:
        weights += _parameters(discriminator) * _COPIES * 4
        kept += _kept_bytes(lambda: discriminator.judge(nets.picture))
    share = 0.5 if config.precision != "f32" else 1.0
    return weights + kept * faces * share


def _kept_bytes(work: Callable[[], object]) -> float:
    """Bytes of all tensors that differentiating `work` would keep, each counted once."""
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[id(tensor)] = tensor.numel() * tensor.element_size()
            alive.append(tensor)  # an id means one tensor only while it lives
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return float(sum(kept.values()))


def _seconds_per_step(config: Config, processes: Processes) -> float:
    """Seconds of a small step, the regularisers in their share."""
    trainer = Trainer(config, Judges(), processes)
    side = config.network.size
    pictures = torch.rand(config.optimiser.batch, 3, side, side, device=processes.device) * 2 - 1
    points = torch.rand(config.optimiser.batch, 5, 2, device=processes.device) * side
    inside = torch.ones(config.optimiser.batch, device=processes.device)
    batch = Batch(pictures, pictures, points, inside)
    trainer.train_step([batch])
    started = time.perf_counter()
    for _ in range(2):
        trainer.train_step([batch])
    if processes.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / 2
