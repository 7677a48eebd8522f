"""Upscalers as engines: tiles of an image through a graph or through torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ..errors import EngineError, WeightsError
from ..models import FACTORS, OnnxFile, Weights, plain_layout
from ..types import FloatArray
from .base import Graph, first_line
from .batching import TogetherOrSingly

if TYPE_CHECKING:
    import torch

_NUMPY = {"f32": np.float32, "f16": np.float16}
#: Side of a tile of an unknown network.
USUAL_TILE = 256
#: Side of the tile by which a graph of any size is asked for its factor.
_PROBE = 64


class GraphTileEngine:
    """An upscaler in an ONNX graph: an `Engine` for tiles of RGB in [0, 1], of any size.

    Attributes:
        factor: Pixels of the output along a pixel of the input.
        in_size: Side of the largest tile that fits common memory; of every tile where `is_fixed`.
        size: Side of its output.
        is_fixed: It takes no tiles of other sizes.
    """

    def __init__(self, graph: Graph, file: OnnxFile, factor: int | None, *, tile: int) -> None:
        """Wrap a graph.

        Args:
            graph: The graph, ready to run.
            file: What its file says of inputs and outputs.
            factor: Where it is known; else the graph is run once to tell.
            tile: Side of tiles where it takes any size.

        Raises:
            EngineError: It takes several images per run, tiles that are not square, or a dtype that
                images do not have.
            WeightsError: It enlarges by a factor that gpen has no use for.
        """
        self.name, self.device, self.precision = graph.name, graph.device, graph.precision
        _, dtype, (batch, _, height, width) = file.inputs[0]
        if batch not in (1, None) or height != width or dtype not in _NUMPY:
            raise EngineError(
                f"the upscaler takes {dtype} {file.inputs[0][2]}; expected f32 or f16 (1, 3, S, S)",
                engine=graph.name,
            )
        self.in_size, self.is_fixed = height or tile, height is not None
        self._graph, self._dtype = graph, _NUMPY[dtype]
        self._run_all = TogetherOrSingly(self._run, together=batch is None, name=self.name)
        self.factor = factor or self._asked_factor()
        self.size = self.factor * self.in_size

    def run(self, crops: FloatArray) -> FloatArray:
        """Enlarge tiles: (N, 3, h, w) → (N, 3, factor · h, factor · w)."""
        output = self._run_all(crops)
        wanted = (len(crops), 3, *(self.factor * side for side in crops.shape[2:]))
        if output.shape != wanted:
            raise EngineError(
                f"the upscaler answers {crops.shape} with {output.shape}; expected {wanted}",
                engine=self.name,
            )
        return output

    def _run(self, crops: FloatArray) -> FloatArray:
        (output, *_) = self._graph.run(crops.astype(self._dtype, copy=False))
        return output.astype(np.float32, copy=False)

    def _asked_factor(self) -> int:
        side = self.in_size if self.is_fixed else _PROBE
        shape = self._run(np.zeros((1, 3, side, side), np.float32)).shape
        for factor in FACTORS:
            if shape == (1, 3, factor * side, factor * side):
                return factor
        raise WeightsError(
            f"the upscaler turns {side} × {side} pixels into {shape}; expected 3 channels and "
            "1, 2, 3, 4 or 8 times the sides"
        )


class TorchTileEngine:
    """An upscaler run by torch; see `GraphTileEngine`."""

    name, is_fixed = "torch", False

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        precision: str,
        *,
        tile: int,
    ) -> None:
        """Put an upscaler whose tensors are at hand on a device.

        Args:
            weights: The upscaler.
            device: Where it runs.
            precision: "f32", "bf16" or "f16".
            tile: Side of the largest tile.

        Raises:
            EngineError: It is an ONNX graph of another tool.
        """
        import torch

        from .torch import DTYPES

        net = weights.upscaler
        if net is None:
            raise EngineError(
                f"torch cannot run {weights.path.name}, {weights.title}: "
                "choose --engine openvino or onnxruntime",
                engine=self.name,
            )
        self.device, self.precision, self.factor = str(device), precision, net.factor
        self.in_size, self.size = tile, tile * net.factor
        from ..networks.upscalers import RRDBNet, SRVGGNetCompact

        network = (
            RRDBNet(net.steps, net.width, net.depth, net.growth, net.block)
            if net.family == "rrdb"
            else SRVGGNetCompact(net.factor, net.width, net.depth)
        )
        network.load_state_dict(
            {
                name: torch.from_numpy(np.array(tensor.float32()))
                for name, tensor in plain_layout(weights.tensors).items()
            }
        )
        self._device, self._dtype = device, getattr(torch, DTYPES[precision])
        self._network = network.eval().to(device, self._dtype)

    def run(self, crops: FloatArray) -> FloatArray:
        """Enlarge tiles: (N, 3, h, w) → (N, 3, factor · h, factor · w)."""
        import torch

        from .torch import without_tf32

        tiles = torch.from_numpy(np.ascontiguousarray(crops))
        try:
            with torch.inference_mode(), without_tf32():
                output = self._network(tiles.to(self._device, self._dtype))
                return cast("FloatArray", output.float().cpu().numpy())
        except RuntimeError as error:
            raise EngineError(
                f"torch failed on tiles of shape {crops.shape} on {self.device}: "
                f"{first_line(error)}",
                engine=self.name,
            ) from error
