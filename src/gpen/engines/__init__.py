"""Libraries that run networks, behind one protocol: OpenVINO, ONNX Runtime, torch."""

from __future__ import annotations

from pathlib import Path

from ..errors import EngineError, SettingsError
from .base import Engine, Graph

__all__ = ["Engine", "Graph", "open_graph"]


def open_graph(
    path: str | Path, *, engine: str = "auto", device: str = "auto", precision: str = "auto"
) -> Graph:
    """Open an ONNX file of any kind, ready to run.

    Args:
        path: ONNX file; its lengths may vary from call to call.
        engine: "auto" and "openvino", or "onnxruntime".
        device: "auto", "cpu", or a device of the engine.
        precision: "auto" and "f32", or what the engine and device can: "bf16", "f16".

    Raises:
        EngineError: The engine cannot run the file, or lacks the device or the precision.
        MissingExtraError: The engine is not installed.

    Example:
        >>> graph = open_graph("detector.onnx")  # doctest: +SKIP
        >>> graph.inputs  # doctest: +SKIP
        (('input', (1, 3, None, None)),)
    """
    path, precision = Path(path), "f32" if precision == "auto" else precision
    if engine in ("auto", "openvino"):
        from .openvino import OpenVinoGraph

        return OpenVinoGraph(path, device=device, precision=precision)
    if engine == "onnxruntime":
        from .onnxruntime import OnnxRuntimeGraph

        return OnnxRuntimeGraph(path, device=device, precision=precision)
    if engine == "torch":
        raise EngineError(
            f"torch cannot run the ONNX file {path.name}: choose --engine openvino or onnxruntime",
            engine=engine,
        )
    raise SettingsError(f"engine is {engine!r}; expected auto, openvino, onnxruntime or torch")
