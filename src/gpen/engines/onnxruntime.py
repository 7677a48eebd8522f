"""ONNX Runtime: runs a graph on CPU, CUDA, CoreML, DirectML or ROCm, as its build allows."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import EngineError, MissingExtraError
from .base import check_count, first_line, read_ports

#: Short names beside the provider's own ("CUDAExecutionProvider" answers to "cuda" anyway).
_ALIASES = {"mps": "coreml", "directml": "dml"}


class OnnxRuntimeGraph:
    """An ONNX file run by ONNX Runtime; see `Graph`."""

    name = "onnxruntime"

    def __init__(self, path: Path, *, device: str = "auto", precision: str = "f32") -> None:
        """Start a session.

        Args:
            path: ONNX file.
            device: "auto" takes CUDA where the build has it, else the CPU; or the start of a
                provider's name, such as "cpu", "cuda:1", "coreml", "dml", "tensorrt".
            precision: "f32"; ONNX Runtime computes in what the file says.

        Raises:
            MissingExtraError: onnxruntime is not installed.
            WeightsError: There is no such file, or it is no complete ONNX graph.
            EngineError: The provider is missing, or the graph cannot run.
        """
        self.inputs, self.outputs = read_ports(path)
        try:
            ort = importlib.import_module("onnxruntime")  # its stubs hide what it exports
        except ImportError:
            raise MissingExtraError("The engine onnxruntime", extra="onnxruntime") from None
        if precision != "f32":
            raise EngineError(
                f"onnxruntime has no {precision} switch; expected --precision f32 or auto",
                engine=self.name,
            )
        provider, settings = _provider(device, ort.get_available_providers())
        providers: list[Any] = [(provider, settings)]
        if provider != "CPUExecutionProvider":
            providers.append("CPUExecutionProvider")  # takes what the device cannot do
        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its exceptions share no base class
            raise EngineError(
                f"ONNX Runtime cannot run {path.name}: {first_line(error)}; try --engine openvino",
                engine=self.name,
            ) from error
        self.device = self._session.get_providers()[0]
        if device != "auto" and self.device != provider:
            raise EngineError(
                f"onnxruntime could not start {device} and fell back to {self.device}: "
                "install the libraries it needs, or choose --device cpu",
                engine=self.name,
            )
        self.precision = precision

    def run(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the graph once; see `Graph.run`. Sessions serve many threads by themselves."""
        check_count(inputs, self)
        feed = {name: array for (name, _), array in zip(self.inputs, inputs, strict=True)}
        try:
            return list(self._session.run(None, feed))
        except Exception as error:
            raise EngineError(
                f"ONNX Runtime failed on inputs of shapes {[a.shape for a in inputs]}; "
                f"expected {[shape for _, shape in self.inputs]}: {first_line(error)}",
                engine=self.name,
            ) from error


def _provider(device: str, available: list[str]) -> tuple[str, dict[str, str]]:
    """The provider that a device name means, and its settings.

    Raises:
        EngineError: This build has none of that name.
    """
    if device == "auto":
        device = "cuda" if "CUDAExecutionProvider" in available else "cpu"
    kind, _, number = device.lower().partition(":")
    kind = _ALIASES.get(kind, kind)
    for provider in available:
        if provider.lower().startswith(kind):
            return provider, {"device_id": number} if number else {}
    known = ", ".join(name.removesuffix("ExecutionProvider").lower() for name in available)
    raise EngineError(
        f"this build of onnxruntime has no device {device!r}; expected one of {known}",
        engine="onnxruntime",
    )
