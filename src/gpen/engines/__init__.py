"""Libraries that run networks, behind one protocol: OpenVINO, ONNX Runtime, torch."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..errors import EngineError, SettingsError, WeightsError
from ..models import GENERATOR_KINDS, HALVABLE_KINDS, UPSCALER_KINDS, ModelInfo, read_onnx
from ..settings import ENGINES
from .base import Engine, Graph
from .batching import run_in_batches
from .graph_cache import forget, inference_graph
from .out_of_memory import is_out_of_memory
from .shared_engine import BATCH_SIZE, SharedEngine, open_shared
from .upscaler_source import UpscalerSource

__all__ = [
    "BATCH_SIZE",
    "Engine",
    "Graph",
    "SharedEngine",
    "UpscalerSource",
    "beside_restorer",
    "fast_precision",
    "open_engine",
    "open_graph",
    "open_upscaler",
    "run_in_batches",
]

Opened = TypeVar("Opened")
#: How often a graph from the cache is opened when it vanishes or cannot be run.
_TRIES = 5


def open_graph(
    path: str | Path,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    keep: bool = False,
) -> Graph:
    """Open an ONNX file of any kind, ready to run.

    Args:
        path: ONNX file; its lengths may vary from call to call.
        engine: "auto" and "openvino", or "onnxruntime".
        device: "auto", "cpu", or a device of the engine.
        precision: "auto" and "f32", or what the engine and device can: "bf16", "f16".
        keep: Keep what OpenVINO made of it in the cache, for a faster start the next time.

    Raises:
        WeightsError: There is no such file, or it is no complete ONNX graph.
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

        return OpenVinoGraph(path, device=device, precision=precision, keep=keep)
    if engine == "onnxruntime":
        from .onnxruntime import OnnxRuntimeGraph

        return OnnxRuntimeGraph(path, device=device, precision=precision)
    if engine == "torch":
        raise EngineError(
            f"torch cannot run the ONNX file {path.name}: choose --engine openvino or onnxruntime",
            engine=engine,
        )
    raise SettingsError(f"engine is {engine!r}; expected auto or one of {', '.join(ENGINES)}")


def open_engine(
    model: ModelInfo, *, engine: str = "auto", device: str = "auto", precision: str = "auto"
) -> SharedEngine:
    """Open a face restorer, ready to run and to be shared by threads.

    Args:
        model: What `find_model` found.
        engine: "auto" takes torch where it has CUDA, else OpenVINO; or the name of one.
        device: "auto", "cpu", "cuda", "cuda:1", "mps", or a device of the engine.
        precision: "auto" is the fastest that keeps the image; or "f32", "bf16", "f16".

    Raises:
        WeightsError: The file became unreadable, or torch is asked to run another tool's ONNX.
        WriteError: The cache folder cannot be written.
        EngineError: The engine cannot run the file, lacks the device or the precision, or there is
            too little memory even on the CPU.
        MissingExtraError: The engine is not installed.
    """
    name = engine if engine != "auto" else _choose(model, device)
    return open_shared(
        partial(_open, model, name, device, precision),
        partial(_open, model, _choose(model, "cpu"), "cpu", "auto"),
        name=name,
        device=device,
    )


def open_upscaler(
    source: UpscalerSource,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> SharedEngine:
    """Open an upscaler, ready to run and to be shared by threads; it takes tiles in [0, 1].

    Args:
        source: The upscaler.
        engine: As in `open_engine`.
        device: As in `open_engine`.
        precision: "auto" is f32.

    Raises:
        WeightsError: The file became unreadable, its factor is of no use, or the partner is another
            network.
        GpenError: As `open_engine`.
    """
    name = engine if engine != "auto" else _choose(source.model, device)
    return open_shared(
        partial(_open_tiles, source, name, device, "f32" if precision == "auto" else precision),
        partial(_open_tiles, source, _choose(source.model, "cpu"), "cpu", "f32"),
        name=name,
        device=device,
        unit="tile",
    )


def _open_tiles(source: UpscalerSource, engine: str, device: str, precision: str) -> Engine:
    if engine == "torch":
        return source.in_torch(device, precision)
    return _open_cached(
        source.graph,
        source.model.path,
        lambda path: source.on_graph(
            open_graph(path, engine=engine, device=device, precision=precision), path
        ),
    )


def _open(model: ModelInfo, engine: str, device: str, precision: str) -> Engine:
    if engine == "torch":
        from .torch import TorchEngine

        return TorchEngine(model, device=device, precision=precision)
    if precision == "auto":
        precision = _fastest_faithful(model, engine, device)
    return _open_cached(
        partial(inference_graph, model),
        model.path,
        lambda path: _open_restorer(path, model, engine, device, precision),
    )


def _open_cached(find: Callable[[], Path], own: Path, open_: Callable[[Path], Opened]) -> Opened:
    """Open a graph; one from the cache that cannot be run, or has just vanished, is made again.

    Args:
        find: Finds the graph.
        own: The user's file, which is not made again.
        open_: Opens a graph.

    Raises:
        GpenError: See `gpen.errors`.
    """
    for tries_left in reversed(range(_TRIES)):
        path = find()
        try:
            return open_(path)
        except (EngineError, WeightsError) as error:
            if path == own or not tries_left or is_out_of_memory(error):
                raise
            forget(path)  # it cannot be run, or the cache was deleted meanwhile
    raise AssertionError("the last try returns or raises")


def _open_restorer(
    path: Path, model: ModelInfo, engine: str, device: str, precision: str
) -> Engine:
    from .graph_engine import GraphEngine

    file = read_onnx(path)
    # Weights in another file may change without a change of the graph's own size and time.
    keep = not file.external
    graph = open_graph(path, engine=engine, device=device, precision=precision, keep=keep)
    return GraphEngine(graph, file, model)


def _choose(model: ModelInfo, device: str) -> str:
    """The fastest engine that is installed and can run this file on this device."""
    torch_runs_it = _installed("torch") and model.kind in (*GENERATOR_KINDS, *UPSCALER_KINDS)
    kind = device.partition(":")[0]
    if kind in ("cuda", "mps"):
        return "torch" if torch_runs_it else "onnxruntime"
    if device == "auto" and torch_runs_it and _has_cuda():
        return "torch"
    return "openvino" if _installed("openvino") else "onnxruntime"


def _fastest_faithful(model: ModelInfo, engine: str, device: str) -> str:
    """The fastest arithmetic that keeps the image.

    On held-out damaged crops the default restorer in bf16 has 55 dB PSNR to itself in f32, at
    least 52, in about half the time (`benchmarks/int8.py`). A sub-pixel network of random weights
    has 56 dB or more in torch's bf16, whose sum of image and change is f32. Networks of other tools
    and of other parts were not measured: they get f32.
    """
    return fast_precision(engine, device) if model.kind in HALVABLE_KINDS else "f32"


def beside_restorer(engine: str, device: str) -> tuple[str, str]:
    """Engine and device for a network that runs beside the restorer.

    Args:
        engine: Of the restorer. Those that run any graph are taken; with "auto" and "torch", the
            fastest for the CPU is.
        device: Of the restorer.
    """
    return (engine, device) if engine in ("openvino", "onnxruntime") else ("auto", "auto")


def fast_precision(engine: str = "auto", device: str = "auto") -> str:
    """The fastest arithmetic for a graph known to bear bf16: "bf16" or "f32"."""
    if engine not in ("auto", "openvino"):
        return "f32"
    from .openvino import has_fast_bf16

    return "bf16" if has_fast_bf16(device) else "f32"


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _has_cuda() -> bool:
    """Whether torch finds CUDA. Importing torch takes seconds: not without a driver in sight."""
    if not (Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi")):
        return False
    import torch

    return torch.cuda.is_available()
