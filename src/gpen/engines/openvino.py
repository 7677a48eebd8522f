"""OpenVINO: the default engine on CPUs; also Intel GPUs and NPUs."""

from __future__ import annotations

import contextlib
import mmap
import sys
import threading
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from .base import check_count, first_line, read_ports
from .graph_cache import CompiledEntry, compiled_entry
from .winograd import WINOGRAD_VERSION, use_winograd

_CAPABILITIES = {"bf16": "BF16", "f16": "FP16"}
_start = threading.Lock()


def load_openvino() -> ModuleType:
    """The openvino package, with its usage reports off.

    On import, openvino's model converter sends an event to Google Analytics unless the package
    `openvino_telemetry` is missing. Hiding that package during the import makes it use its own
    stub; nothing else of openvino changes.
    """
    hidden = "openvino_telemetry"
    with _start:  # networks are opened side by side
        if "openvino" in sys.modules or hidden in sys.modules:  # the host program has decided
            import openvino

            return openvino
        sys.modules[hidden] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            del sys.modules[hidden]
        return openvino


@cache
def _core() -> Any:
    return load_openvino().Core()  # two of them, made at once, would do no harm


class OpenVinoGraph:
    """An ONNX file run by OpenVINO; see `Graph`."""

    name = "openvino"

    def __init__(
        self, path: Path, *, device: str = "auto", precision: str = "f32", keep: bool = False
    ) -> None:
        """Compile the graph for a device.

        Args:
            path: ONNX file.
            device: "auto" and "cpu" are the CPU; else OpenVINO's own name, such as "GPU.0".
            precision: "f32", "bf16" or "f16". Always stated: left alone, OpenVINO computes in
                bf16 on CPUs that can.
            keep: Keep the compiled graph in the cache, for a faster start the next time.

        Raises:
            WeightsError: There is no such file, or it is no complete ONNX graph.
            EngineError: The device is unknown or lacks the precision, or the graph cannot run.
            SettingsError: `GPEN_CACHE_LIMIT` holds no size.
        """
        self.inputs, self.outputs = read_ports(path)
        self.device = _device_name(device)
        self.precision = precision
        capability = _CAPABILITIES.get(precision)
        if capability and capability not in capabilities(self.device):
            raise EngineError(
                f"{self.device} has no {precision} arithmetic in OpenVINO: choose --precision f32",
                engine=self.name,
            )
        try:
            self._compiled, self._mapped = _compile(path, self.device, precision, keep=keep)
            self._request = self._compiled.create_infer_request()
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO cannot run {path.name} on {self.device}: {first_line(error)}; "
                "try --engine onnxruntime",
                engine=self.name,
            ) from error
        # One request already uses every core: a second would only double the memory.
        self._lock = threading.Lock()

    def run(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the graph once; see `Graph.run`."""
        check_count(inputs, self)
        try:
            with self._lock:
                given = [np.ascontiguousarray(array) for array in inputs]
                buffers = [self._output_buffer(port) for port in self._compiled.outputs]
                outputs = self._request.infer(given, share_inputs=True, share_outputs=True)
                return [
                    np.array(outputs[port]) if buffer is None else buffer
                    for port, buffer in zip(self._compiled.outputs, buffers, strict=True)
                ]
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO failed on inputs of shapes {[a.shape for a in inputs]}; "
                f"expected {[shape for _, shape in self.inputs]}: {first_line(error)}",
                engine=self.name,
            ) from error

    def _output_buffer(self, port: Any) -> NDArray[Any] | None:
        """An array that the next output is written to; None where its shape is not known yet."""
        if not port.partial_shape.is_static:
            return None
        buffer = np.empty(tuple(port.shape), port.element_type.to_dtype())
        self._request.set_tensor(port, load_openvino().Tensor(buffer, shared_memory=True))
        return buffer


def _compile(path: Path, device: str, precision: str, *, keep: bool) -> tuple[Any, Any]:
    """The compiled graph, and what must live as long because the graph reads from it."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    entry = _entry(path, precision) if keep and device == "CPU" else None
    if entry is not None and (file := entry.find()):
        with contextlib.suppress(RuntimeError, OSError):  # the cache may be deleted at any time
            return _imported(file, settings)
    compiled = _core().compile_model(_model(path, device, precision), device, settings)
    if entry is not None and entry.has_room():
        entry.keep(compiled.export_model().getbuffer())
        if file := entry.find():
            del compiled  # the imported one takes less memory, and both together would take more
            with contextlib.suppress(RuntimeError, OSError):
                return _imported(file, settings)
            compiled = _core().compile_model(_model(path, device, precision), device, settings)
    return compiled, None


def _entry(path: Path, precision: str) -> CompiledEntry | None:
    version, cpu = load_openvino().get_version(), _core().get_property("CPU", "FULL_DEVICE_NAME")
    return compiled_entry(path, version, cpu, precision, WINOGRAD_VERSION)


def _model(path: Path, device: str, precision: str) -> Any:
    """The graph as it is computed: convolutions with fewer multiplications where that is exact."""
    model = _core().read_model(str(path))
    if device == "CPU" and precision == "f32":
        use_winograd(model, load_openvino())
    return model


def _imported(file: Path, settings: dict[str, str]) -> tuple[Any, Any]:
    """A graph that was compiled before, and the file that it is mapped from.

    Mapped, the file leaves memory again once OpenVINO has laid out the weights for its kernels:
    440 MB for published widths.
    """
    with file.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    tensor = load_openvino().Tensor(np.frombuffer(mapped, np.uint8), shared_memory=True)
    compiled = _core().import_model(tensor, "CPU", settings)
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)  # what is still needed is read again
    return compiled, tensor


def capabilities(device: str = "CPU") -> frozenset[str]:
    """What a device computes in, in OpenVINO's words ("FP32", "BF16", …)."""
    return frozenset(_core().get_property(device, "OPTIMIZATION_CAPABILITIES"))


def has_fast_bf16(device: str = "auto") -> bool:
    """Whether the CPU multiplies bf16 by itself, not by widening it to f32 first.

    OpenVINO lists bf16 as a capability of either, but prefers it only on the former.
    """
    name = _device_name(device)
    preferred = _core().get_property(name, "INFERENCE_PRECISION_HINT")
    return name == "CPU" and preferred == load_openvino().Type.bf16


def _device_name(device: str) -> str:
    if device in ("auto", "cpu"):
        return "CPU"
    name = device.upper().replace(":", ".")
    if name not in (known := _core().available_devices):
        raise EngineError(
            f"OpenVINO finds no device {device!r}; expected one of {', '.join(known)}, "
            "or --engine torch or onnxruntime for CUDA and MPS",
            engine="openvino",
        )
    return name
