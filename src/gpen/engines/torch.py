"""torch: CUDA and MPS, and the reference on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError, MissingExtraError
from ..types import FloatArray
from ..weights import Architecture, ModelInfo, Tensor, load_weights
from .base import check_batch, first_line

if TYPE_CHECKING:
    import torch

_DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


class TorchEngine:
    """A GPEN generator run by torch; see `Engine`."""

    name = "torch"

    def __init__(self, model: ModelInfo, *, device: str = "auto", precision: str = "auto") -> None:
        """Put a network on a device.

        Args:
            model: A GPEN generator of any file kind that was not exported by other tools.
            device: "auto" takes CUDA, then MPS, then the CPU; or torch's own name.
            precision: "auto" is "f32", in which torch lets NVIDIA's tensor cores use TF32;
                "bf16" and "f16" let torch choose where they are safe (autocast).

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
        self._device = _device(device)
        self.device = str(self._device)
        self.precision = "f32" if precision == "auto" else precision
        self.size, self.in_size = weights.net.size, weights.net.in_size
        self._net = _network(weights.net, weights.tensors).to(self._device)

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`."""
        check_batch(crops, self.in_size, self.name)
        torch = self._torch
        dtype = getattr(torch, _DTYPES[self.precision])
        mixed = torch.autocast(self._device.type, dtype, enabled=self.precision != "f32")
        try:
            with torch.inference_mode(), mixed:
                batch = torch.from_numpy(np.ascontiguousarray(crops)).to(self._device)
                answer: FloatArray = self._net(batch).float().cpu().numpy()
        except RuntimeError as error:
            raise EngineError(
                f"torch failed on {len(crops)} crops of {self.in_size} px on {self.device}: "
                f"{first_line(error)}",
                engine=self.name,
            ) from error
        return answer


def _network(net: Architecture, tensors: Mapping[str, Tensor]) -> torch.nn.Module:
    """The network with its weights, in f32 on the CPU; no weight is allocated twice."""
    import torch

    from ..nets.gpen import GPEN

    with torch.device("meta"):
        module: torch.nn.Module = GPEN(net)
    state = {
        name: torch.from_numpy(np.array(tensor.float32(), order="C"))
        for name, tensor in tensors.items()
    }
    module.load_state_dict(state, assign=True)
    return module.eval().requires_grad_(requires_grad=False)


def _device(device: str) -> torch.device:
    """The torch device of a name.

    Raises:
        EngineError: There is none.
    """
    import torch

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
