"""Running a network on CUDA: copies beside the computing, kernels replayed as one graph.

A network of GPEN launches some hundred kernels, which the host prepares more slowly than a fast
card runs them. A CUDA graph launches them all at once, for one number of pictures; so batches are
taken apart into powers of two. The first batch of a number runs as it comes: who restores one photo
waits for nothing. At the second, cuDNN looks for its fastest kernels, and the graph is recorded.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import cast

import torch
from torch import Tensor

from ..types import FloatArray
from .base import first_line
from .memory import is_out_of_memory

_log = logging.getLogger("gpen")

Network = Callable[[Tensor], Tensor]
#: Records a network for pictures of a shape; what it returns may be called again and again.
Record = Callable[[Network, Tensor], Network]

#: Pictures that go through the network at once.
BATCHES = (16, 8, 4, 2, 1)
#: Batches whose pictures lie on the device at once: one comes, one is computed, one leaves.
_AT_ONCE = 3


def spans(count: int) -> Iterator[tuple[int, int]]:
    """Start and end of each batch, the largest first."""
    start = 0
    for batch in BATCHES:
        while count - start >= batch:
            yield start, start + batch
            start += batch


class Recorded:
    """A network that is recorded for a number of pictures when that number comes again.

    Args:
        network: (N, 3, h, w) → (N, 3, h', w').
        record: Records it. Where that fails, the network goes on without.
    """

    def __init__(self, network: Network, record: Record) -> None:
        self._network, self._record = network, record
        self._known: dict[int, Network] = {}
        self._seen: Counter[int] = Counter()

    def __call__(self, pictures: Tensor) -> Tensor:
        """What the network answers, in memory of its own."""
        count = len(pictures)
        self._seen[count] += 1
        if self._seen[count] == 2:
            self._known[count] = self._try_to_record(pictures)
        return self._known.get(count, self._network)(pictures)

    def forget(self) -> None:
        """Give back the memory of all records."""
        self._known.clear()
        self._seen.clear()

    def _try_to_record(self, pictures: Tensor) -> Network:
        try:
            return self._record(self._network, pictures)
        except RuntimeError as error:  # too little memory, or a kernel that cannot be recorded
            _log.info("no CUDA graph of %d faces: %s", len(pictures), first_line(error))
            return self._network


class CudaRunner:
    """Runs a network on CUDA for host arrays.

    Args:
        network: (N, 3, in_size, in_size) f32 → (N, 3, size, size) f32, on the device.
        device: A CUDA device.
        size: Side of the pictures it returns.
    """

    def __init__(self, network: Network, device: torch.device, size: int) -> None:
        self._device, self._size = device, size
        stream = cast("Callable[[torch.device], torch.cuda.Stream]", torch.cuda.Stream)
        self._coming, self._computing, self._leaving = (stream(device) for _ in range(3))
        self._pool = torch.cuda.graph_pool_handle()
        self._network = Recorded(network, self.record)
        self._lock = threading.Lock()

    def __call__(self, crops: FloatArray) -> FloatArray:
        """(N, 3, in_size, in_size) → (N, 3, size, size).

        The answer lies in page-locked memory, to which the card writes at full speed, and which
        torch takes back when nobody holds the array any more.
        """
        shape = (len(crops), 3, self._size, self._size)
        answers = torch.empty(shape, pin_memory=True)
        running: deque[torch.cuda.Event] = deque()
        try:
            with torch.cuda.device(self._device):
                for start, end in spans(len(crops)):
                    if len(running) == _AT_ONCE:
                        running.popleft().synchronize()
                    running.append(self._start(crops[start:end], answers[start:end]))
                for event in running:
                    event.synchronize()
        except RuntimeError as error:
            self._leaving.synchronize()  # nothing may be written to memory that is given back
            if is_out_of_memory(error):
                with self._lock:
                    self._network.forget()
                torch.cuda.empty_cache()
            raise
        result: FloatArray = answers.numpy()
        return result

    def _start(self, crops: FloatArray, answers: Tensor) -> torch.cuda.Event:
        """Begin a batch; when the event has come, its answers are there."""
        given = torch.empty(crops.shape, pin_memory=True)
        given.copy_(torch.from_numpy(crops))
        with torch.cuda.stream(self._coming):
            pictures = given.to(self._device, non_blocking=True)
            arrived = self._coming.record_event()
        with self._lock, torch.cuda.stream(self._computing), _exact(tune=False):
            self._computing.wait_event(arrived)
            pictures.record_stream(self._computing)
            found = self._network(pictures)
            computed = self._computing.record_event()
        with torch.cuda.stream(self._leaving):
            self._leaving.wait_event(computed)
            found.record_stream(self._leaving)
            answers.copy_(found, non_blocking=True)
            left: torch.cuda.Event = self._leaving.record_event()
        return left

    def record(self, network: Network, pictures: Tensor) -> Network:
        """The network as a CUDA graph; all graphs share their memory, for they run in turn."""
        given, graph = pictures.clone(), torch.cuda.CUDAGraph()
        with _exact(tune=True):
            network(given)
            # Other threads may go on: only what this one does is recorded. The stream is named
            # because torch's own for this lies on the device that recorded first.
            with torch.cuda.graph(
                graph,
                pool=self._pool,
                stream=self._computing,
                capture_error_mode="thread_local",
            ):
                found = network(given)

        def replay(pictures: Tensor) -> Tensor:
            given.copy_(pictures)
            graph.replay()
            return found.clone()

        return replay


def _exact(*, tune: bool) -> AbstractContextManager[None]:
    """Whether cuDNN looks for its fastest kernels; TF32, which is half of f32, is never used."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=tune, allow_tf32=False)
