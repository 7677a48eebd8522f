"""The protocols of engines and graphs, and checks that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ..errors import EngineError
from ..models import read_onnx
from ..types import FloatArray

#: A tensor's name and shape; None stands for a length that varies.
Port = tuple[str, tuple[int | None, ...]]


class _Network(Protocol):
    @property
    def name(self) -> str:
        """The library that runs it."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, in the library's own words."""
        ...

    @property
    def precision(self) -> str:
        """Arithmetic used: "f32", "bf16" or "f16"."""
        ...


class Graph(_Network, Protocol):
    """An ONNX file, ready to run. One instance serves many threads."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Name and shape of each input, in the order that `run` takes them."""
        ...

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Name and shape of each output, in the order that `run` returns them."""
        ...

    def run(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the graph once.

        Args:
            *inputs: One array per input, of its shape and dtype.

        Returns:
            One array per output; they belong to the caller.

        Raises:
            EngineError: The shapes do not fit, or the library failed.
        """
        ...


class Engine(_Network, Protocol):
    """A face restorer, ready to run. One instance serves many threads."""

    @property
    def size(self) -> int:
        """Side of the square it returns, in pixels."""
        ...

    @property
    def in_size(self) -> int:
        """Side of the square it takes; smaller than `size` in super-resolution variants."""
        ...

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops.

        Args:
            crops: (N, 3, in_size, in_size) RGB in [-1, 1].

        Returns:
            (N, 3, size, size) RGB, about [-1, 1], not clipped.

        Raises:
            EngineError: The shape does not fit, or the library failed.
        """
        ...


def check_batch(crops: FloatArray, in_size: int, engine: str) -> None:
    """Refuse crops that do not have the network's shape.

    Raises:
        EngineError: Names the shape and the one expected.
    """
    if crops.ndim != 4 or crops.shape[1:] != (3, in_size, in_size):
        raise EngineError(
            f"crops have shape {crops.shape}; expected (N, 3, {in_size}, {in_size}): "
            "resize them first",
            engine=engine,
        )


def read_ports(path: Path) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Inputs and outputs of an ONNX file, as the file itself names them.

    Raises:
        WeightsError: There is no such file, or it is no complete ONNX graph.
    """
    file = read_onnx(path)
    inputs = tuple((name, shape) for name, _, shape in file.inputs)
    return inputs, tuple((name, shape) for name, _, shape in file.outputs)


def check_count(inputs: tuple[NDArray[Any], ...], graph: Graph) -> None:
    """Refuse more or fewer inputs than the graph has.

    Raises:
        EngineError: Names the inputs expected.
    """
    if len(inputs) != len(graph.inputs):
        raise EngineError(
            f"{len(inputs)} inputs; expected {len(graph.inputs)}: "
            f"{', '.join(name for name, _ in graph.inputs)}",
            engine=graph.name,
        )


def first_line(error: BaseException) -> str:
    """The first line of an error of another library that says something."""
    for line in str(error).splitlines():
        if line.strip() and not line.startswith(("Exception from", "Check '")):
            return line.strip()
    return type(error).__name__
