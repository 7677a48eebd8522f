"""The processes of a run, on one machine or many, through Accelerate.

Gradients are averaged here and not by a wrapper around the networks (DDP): such wrappers do not
support gradient penalties, which differentiate twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import MissingExtraError, TrainingError


class Processes:
    """This process among those of the run.

    Attributes:
        device: Where this process computes.
        rank: Its number, from 0.
        world: Number of processes.
    """

    def __init__(self, device: str = "auto") -> None:
        """Join the processes started by torchrun or `accelerate launch`; alone otherwise.

        Raises:
            MissingExtraError: Accelerate is not installed.
            TrainingError: There is no such device.
        """
        try:
            from accelerate.state import PartialState
        except ImportError:
            raise MissingExtraError("Training", extra="train") from None
        state: Any = PartialState(cpu=device == "cpu")
        self.rank: int = state.process_index
        self.world: int = state.num_processes
        self.device = torch.device(state.device)
        if device not in ("auto", "cpu", self.device.type):
            raise TrainingError(
                f"there is no device {device!r} here, only {self.device}; expected auto, cpu, cuda "
                "or mps: CUDA_VISIBLE_DEVICES chooses among several"
            )

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of every process by their mean, in one message.

        Raises:
            TrainingError: Another process has died.
        """
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self.average(flat)
        for gradient, part in zip(
            gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def average(self, values: Tensor) -> Tensor:
        """The mean over all processes, in place.

        Raises:
            TrainingError: Another process has died.
        """
        if self.world > 1:
            try:
                torch.distributed.all_reduce(values)
            except RuntimeError as error:
                raise TrainingError(
                    "another process of the run is gone; the last checkpoint is whole: start the "
                    "same command with --resume"
                ) from error
            values /= self.world
        return values

    def any(self, flag: bool) -> bool:
        """Whether the value is true in any process."""
        if self.world == 1:
            return flag
        told = self.average(torch.tensor([float(flag)], device=self.device))
        return float(told[0]) > 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            self.any(flag=False)
