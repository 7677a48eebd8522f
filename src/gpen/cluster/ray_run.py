"""Runs blocks of photos on Ray workers."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import EngineError, MissingExtraError
from .batch_plan import Block
from .manifest import Row, from_lines
from .worker import DEADLY, Job, Restore, Worker

#: Ray reports nothing to its makers, keeps its own log off the terminal, and leaves a worker
#: without a GPU of its own those that the machine has.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
}
#: Tasks in a pass; Ray Data slows down with very many.
_MAX_TASKS = 4096
#: Passes in a row that may do nothing: a photo that ends its worker takes DEADLY + 2 to be found.
_FRUITLESS = DEADLY + 2
#: Room for Ray's shared objects where it is started here: the rows of blocks, never pixels.
_STORE_BYTES = 128 << 20
_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """How many workers to run, and where.

    Attributes:
        address: Of a Ray cluster ("host:6379", "auto"); None starts Ray on this machine.
        workers: At most so many; 0 is one for each GPU share, or one for each machine.
        gpus: What each worker takes, such as 1 or 0.5; 0 runs on CPUs.
    """

    address: str | None = None
    workers: int = 0
    gpus: float = 0.0


@contextmanager
def connected(worker_config: WorkerConfig) -> Iterator[None]:
    """Start Ray here, or join a cluster, for the length of the block.

    Raises:
        MissingExtraError: Ray is not installed.
        EngineError: The cluster cannot be reached or will not have us.
    """
    ray = load_ray()
    if worker_config.address is None:
        cpus = max(os.cpu_count() or 1, worker_config.workers)
        options: dict[str, Any] = {
            "address": "local",
            "num_cpus": cpus,
            "object_store_memory": _STORE_BYTES,
            "include_dashboard": False,
        }
    else:
        _check_reachable(worker_config.address)
        options = {"address": worker_config.address}
    try:
        with _silenced():
            ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _trouble(
            f"cannot join Ray at {worker_config.address or 'this machine'}", error
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def run_blocks(
    blocks: Sequence[Block],
    job: Job,
    make_restore: Callable[[], Restore],
    worker_config: WorkerConfig,
) -> Iterator[list[Row]]:
    """Have all blocks done and yield the rows of each, as they come.

    A worker that dies takes its block with it; what is missing after one pass is done in the
    next, on the machines that are left then.

    Raises:
        MissingExtraError: Ray is not installed.
        EngineError: The cluster cannot be reached, has no room for a worker, or a worker cannot
            start; or blocks are lost again and again.
    """
    left = {block.id: block for block in blocks}
    fruitless, reason = 0, ""
    while left and fruitless < _FRUITLESS:
        before = len(left)
        try:
            # A new connection ends what is left of the last pass, and the room it takes.
            with connected(worker_config):
                for done, rows in _one_pass(list(left.values()), job, make_restore, worker_config):
                    if left.pop(done, None) is not None:
                        yield rows
        except _ray_errors() as error:
            reason = f" ({_first_line(error)})"
        fruitless = fruitless + 1 if len(left) == before else 0
    if left:
        raise EngineError(
            f"{len(left)} blocks of photos were lost {_FRUITLESS} times in a row{reason}; "
            "finished results are kept: look after the machines, then run the same again",
            engine="ray",
        )


def load_ray() -> Any:
    """The ray package, told to be quiet.

    Raises:
        MissingExtraError: It is not installed, or lacks Ray Data.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("gpen batch", extra="cluster") from None
    return ray


def _one_pass(
    blocks: Sequence[Block],
    job: Job,
    make_restore: Callable[[], Restore],
    worker_config: WorkerConfig,
) -> Iterator[tuple[str, list[Row]]]:
    """Give each block to a worker once."""
    ray = load_ray()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # a lost block is done in the next pass
    dataset = ray.data.from_items(
        [{"block": block.to_json()} for block in blocks],
        override_num_blocks=min(len(blocks), _MAX_TASKS),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # retries have no named parameter yet
        dataset = dataset.map_batches(
            Worker,
            fn_constructor_args=(job, make_restore),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(
                size=min(_room(ray, worker_config), len(blocks)), max_tasks_in_flight_per_actor=1
            ),
            num_cpus=1,
            num_gpus=worker_config.gpus or None,
            # Ray would bind a lost block to its old worker, and wait for one that cannot return.
            max_task_retries=0,
        )
    for output in dataset.iter_rows():
        if output["trouble"]:
            raise EngineError(f"a worker cannot start: {output['trouble']}", engine="ray")
        yield str(output["block"]), from_lines(str(output["rows"]))


@contextmanager
def _silenced() -> Iterator[None]:
    """Standard error closed to Ray's core, which says there that it was told to be quiet."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _room(ray: Any, worker_config: WorkerConfig) -> int:
    """How many workers to have on the machines that are there.

    Raises:
        EngineError: There is no room for one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    storages = [int(node.get("CPU", 0)) for node in nodes]
    if worker_config.gpus:
        storages = [
            min(cpus, int(node.get("GPU", 0) / worker_config.gpus))
            for cpus, node in zip(storages, nodes, strict=True)
        ]
    room = sum(storages)
    if not room:
        wanted = f"{worker_config.gpus:g} GPUs and a CPU" if worker_config.gpus else "a CPU"
        raise EngineError(
            f"no machine of the cluster has {wanted} for a worker; expected at least one: "
            "see ray status, or change --gpus-per-worker",
            engine="ray",
        )
    usual = room if worker_config.gpus else sum(1 for free in storages if free)
    return min(worker_config.workers or usual, room)


def _check_reachable(address: str) -> None:
    """Fail at once where nothing listens; Ray itself would try for a minute.

    Raises:
        EngineError: Nothing answers at the address.
    """
    host, _, port = address.rpartition("://")[2].partition(":")
    if not port.isdecimal():  # "auto" and the like
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise _trouble(f"cannot reach Ray at {address}", error) from error


def _trouble(what: str, error: Exception) -> EngineError:
    return EngineError(
        f"{what}: {_first_line(error)}; expected the address of a running cluster, as "
        "ray start --head prints it",
        engine="ray",
    )


def _ray_errors() -> tuple[type[Exception], ...]:
    from ray.data.exceptions import ExecutionTimeoutError, SystemException
    from ray.exceptions import RayError

    return RayError, ExecutionTimeoutError, SystemException


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
