"""torch: CUDA and MPS; on the CPU the reference for other engines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError, MissingExtraError
from ..models import HALVABLE_KINDS, Architecture, ModelInfo, Tensor, load_weights
from ..types import FloatArray
from .base import check_batch, first_line

if TYPE_CHECKING:
    import torch

_log = logging.getLogger("gpen")

DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
#: NVIDIA's cards from this compute capability on have tensor cores; older ones are slow in f16.
_TENSOR_CORES = (7, 0)
#: Held while cuDNN's settings, which belong to the whole process, are changed.
_CUDNN_SETTINGS = threading.Lock()


class TorchEngine:
    """A GPEN generator run by torch; see `Engine`."""

    name = "torch"

    def __init__(self, model: ModelInfo, *, device: str = "auto", precision: str = "auto") -> None:
        """Put a network on a device.

        Args:
            model: A GPEN generator of any file kind that was not exported by other tools.
            device: "auto" takes CUDA, then MPS, then the CPU; or torch's own name.
            precision: "f32", never TF32; "bf16" and "f16", in which convolutions compute, while
                what they would harm stays f32. "auto" is f16 for published and sub-pixel networks
                on CUDA, f32 again where a network turns out to be too much for it; else f32.

        Raises:
            MissingExtraError: torch is not installed.
            EngineError: The file holds no tensors that torch could use, or there is no such device.
            WeightsError: The file became unreadable.
        """
        try:
            import torch
        except ImportError:
            raise MissingExtraError("The engine torch", extra="torch") from None
        weights = load_weights(model.path)
        if weights.net is None:
            raise EngineError(
                f"torch cannot run {model.path.name}, {weights.title}: "
                "choose --engine openvino or onnxruntime",
                engine=self.name,
            )
        self._torch = torch
        self._device = torch_device(device)
        self.device = str(self._device)
        self._chosen = precision == "auto"
        self.precision = _fastest_faithful(self._device, model) if self._chosen else precision
        self.size, self.in_size = weights.net.size, weights.net.in_size
        self._model, self._net = model, weights.net
        self._network = self._prepare(weights.net, weights.tensors)

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`."""
        check_batch(crops, self.in_size, self.name)
        try:
            with self._torch.inference_mode(), without_tf32():
                output = self._network(np.ascontiguousarray(crops))
                if self._is_too_much_for_f16(output):
                    self._widen()
                    output = self._network(np.ascontiguousarray(crops))
        except RuntimeError as error:
            raise EngineError(
                f"torch failed on {len(crops)} crops of {self.in_size} px on {self.device}: "
                f"{first_line(error)}",
                engine=self.name,
            ) from error
        return output

    def _prepare(
        self, net: Architecture, tensors: Mapping[str, Tensor]
    ) -> Callable[[FloatArray], FloatArray]:
        """The network for host arrays, in the engine's precision."""
        from .torch_network import InferenceNetwork

        torch, device, dtype = self._torch, self._device, DTYPES[self.precision]
        with torch.inference_mode():
            network = InferenceNetwork(net, tensors, device, getattr(torch, dtype))

        def run(crops: FloatArray) -> FloatArray:
            output: FloatArray = network(torch.from_numpy(crops).to(device)).cpu().numpy()
            return output

        return run

    def _is_too_much_for_f16(self, output: FloatArray) -> bool:
        """Whether gpen chose f16, and a value left its range; a sum shows it at once."""
        if not self._chosen or self.precision == "f32":
            return False
        return not bool(self._torch.from_numpy(output).sum().isfinite())

    def _widen(self) -> None:
        """Go on in f32."""
        _log.warning("%s leaves the range of f16: f32 takes over", self._model.path.name)
        self.precision = "f32"
        self._network = self._prepare(self._net, load_weights(self._model.path).tensors)


@contextmanager
def without_tf32() -> Iterator[None]:
    """Let cuDNN compute f32 as f32; by default it rounds the factors to TF32's 10 bits."""
    import torch

    with _CUDNN_SETTINGS, torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _fastest_faithful(device: torch.device, model: ModelInfo) -> str:
    """The fastest arithmetic that keeps the image.

    On held-out damaged crops the default restorer in f16 has 64 dB PSNR to itself in f32
    (`benchmarks/engines_f16.py`), and a sub-pixel network of random weights 64 dB or more. Networks
    of other parts were not measured.
    """
    if device.type != "cuda" or model.kind not in HALVABLE_KINDS:
        return "f32"
    import torch

    return "f16" if torch.cuda.get_device_capability(device) >= _TENSOR_CORES else "f32"


def torch_device(device: str) -> torch.device:
    """The torch device of a name.

    Raises:
        MissingExtraError: torch is not installed.
        EngineError: There is no such device.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("The engine torch", extra="torch") from None

    if device == "auto":
        device = "cpu"
        if torch.backends.mps.is_available():
            device = "mps"
        if torch.cuda.is_available():
            device = "cuda"
    try:
        found = torch.device(device)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise EngineError(
            f"torch finds no device {device!r} ({first_line(error)}): choose --device cpu",
            engine="torch",
        ) from error
    return found
