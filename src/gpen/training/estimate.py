"""Estimates parameters, memory and time of a run before it begins.

Operations and memory are counted on networks without data; the speed is measured on this machine by
a few small steps. The estimate is good to a factor of about two. The projected discriminator and
networks of losses that need a file (VGG, LPIPS, identity) are not counted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from .batches import Batch
from .config import Config
from .discriminator_step import AnyDiscriminator
from .network_setup import autocast, build_discriminator, build_generator
from .perceptual_losses import PerceptualLosses
from .processes import Processes
from .trainer import Trainer

_PROBE_SIDE, _PROBE_FACES = 64, 4
#: Networks, gradients and two moments of Adam, in f32; and the generator's moving average.
_COPIES, _AVERAGE = 4, 1
#: Memory for differentiating twice, relative to once.
_TWICE = 3


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage of a run.

    Attributes:
        size: Side of the images.
        steps: Steps of the stage.
        generator: Parameters of the generator.
        discriminator: Parameters of the discriminator.
        faces: Faces that a process has in memory at once.
        fixed_mib: Weights and optimisers, in MiB.
        face_mib: Memory for each face at the peak of a step, in MiB.
        seconds: Time of the whole stage.
    """

    size: int
    steps: int
    generator: int
    discriminator: int
    faces: int
    fixed_mib: float
    face_mib: float
    seconds: float

    @property
    def memory_mib(self) -> float:
        """Memory of a process at the peak of a step, in MiB."""
        return self.fixed_mib + self.faces * self.face_mib


def estimate(config: Config, processes: Processes) -> list[StageEstimate]:
    """Estimate every stage of a run on this machine."""
    probe = _probe(config)
    per_operation = _seconds_per_step(probe, processes) / (
        _operations(probe, probe.network.size, 0) * _PROBE_FACES
    )
    found, step = [], 0
    for stage in config.stages:
        size = config.size_at(step)
        faces = config.optimiser.batch / processes.world
        operations = _operations(config, size, step) * faces
        nets = _nets(config, size, step)
        one, two = (_kept(config, size, step, count) for count in (1, 2))
        weights = _parameters(nets.net) * (_COPIES + _AVERAGE) * 4
        weights += _parameters(nets.discriminator) * _COPIES * 4
        found.append(
            StageEstimate(
                size=size,
                steps=stage.steps,
                generator=_parameters(nets.net),
                discriminator=_parameters(nets.discriminator),
                faces=max(1, int(faces) // config.optimiser.accumulate),
                fixed_mib=(weights + max(0, 2 * one - two)) / 2**20,
                face_mib=(two - one) / 2**20,
                seconds=operations * per_operation * stage.steps,
            )
        )
        step += stage.steps
    return found


def _probe(config: Config) -> Config:
    """The run in small, to be timed."""
    side = min(_PROBE_SIDE, config.network.size)
    return dataclasses.replace(
        config,
        compile=False,
        network=dataclasses.replace(config.network, size=side, init="", prior="", encoder_init=""),
        optimiser=dataclasses.replace(config.optimiser, batch=_PROBE_FACES, accumulate=1),
        discriminator=dataclasses.replace(config.discriminator, group=0, resolutions=(side,)),
        stages=(dataclasses.replace(config.stages[-1], size=0, steps=4),),
    )


@dataclass(frozen=True, slots=True)
class _Nets:
    """The networks of a run at one size, and an image for them."""

    net: nn.Module
    discriminator: AnyDiscriminator | None
    image: Tensor


def _nets(config: Config, size: int, step: int) -> _Nets:
    """The networks of a step on the meta device; see `_build`."""
    with torch.device("meta"):
        return _build(config, size, step, 1)


def _build(config: Config, size: int, step: int, count: int) -> _Nets:
    """Networks and `count` images; no discriminator if the loss does not use it."""
    # Few images stand for all, so nothing is compared within groups.
    alone = dataclasses.replace(
        config, discriminator=dataclasses.replace(config.discriminator, group=0)
    )
    counted = config.loss_at(step).adversarial and config.discriminator.kind != "projected"
    judged = build_discriminator(alone, size) if counted else None
    return _Nets(build_generator(config, size), judged, torch.zeros(count, 3, size, size))


def _parameters(net: nn.Module | None) -> int:
    return sum(parameter.numel() for parameter in net.parameters()) if net is not None else 0


def _operations(config: Config, size: int, step: int) -> float:
    """Floating-point operations for one face in one step."""
    nets = _nets(config, size, step)
    total = _count(lambda: nets.net(nets.image)) * 3  # forward once, backward about twice
    if (discriminator := nets.discriminator) is not None:
        once = _count(lambda: discriminator.score(nets.image))
        passes = 2 + 6  # what was restored, for the generator; both kinds, for itself
        total += once * (passes + 6 / config.loss.r1_every)
    return total


def _count(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def _kept(config: Config, size: int, step: int, count: int) -> float:
    """Bytes saved for the backward pass at the peak of a step on so many faces."""
    loss = config.loss_at(step)

    def kept(work: Callable[[], object], *, exact: bool = False) -> float:
        with contextlib.nullcontext() if exact else autocast(config, torch.device("cpu")):
            return _kept_bytes(work)

    with FakeTensorMode():  # tensors of a device and dtype, without data
        nets = _build(config, size, step, count)
        net, judge, image = nets.net, nets.discriminator, nets.image
        drawn = kept(lambda: net(image))
        peaks = [drawn]
        if loss.path_length:
            peaks.append(_TWICE * kept(lambda: net(image), exact=True))
        if judge is not None:
            judged = kept(lambda: judge.score(image))
            # For feature matching the truth is judged before the generator's backward pass.
            peaks += [drawn + judged * (2 if loss.feature_matching else 1), 2 * judged]
            if loss.r1:
                peaks.append(_TWICE * kept(lambda: judge.score(image), exact=True))
    return max(peaks)


def _kept_bytes(work: Callable[[], object]) -> float:
    """Bytes of all tensors that `work` saves for its backward pass, each storage counted once."""
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage.nbytes()
            alive.append(tensor)  # so that no address is reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return float(sum(kept.values()))


def _seconds_per_step(config: Config, processes: Processes) -> float:
    """Seconds of a small step, with a share of the regularisers."""
    trainer = Trainer(config, PerceptualLosses(), processes)
    side = config.network.size
    images = torch.rand(config.optimiser.batch, 3, side, side, device=processes.device) * 2 - 1
    points = torch.rand(config.optimiser.batch, 5, 2, device=processes.device) * side
    inside = torch.ones(config.optimiser.batch, device=processes.device)
    batch = Batch.of_sharp_faces(images, images, points, inside)
    trainer.train_step([batch])
    started = time.perf_counter()
    for _ in range(2):
        trainer.train_step([batch])
    if processes.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / 2
