"""An upscaler before it is opened: one weight file or two that are mixed, and its tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..errors import WeightsError
from ..models import ModelInfo, UpscalerNet, Weights, load_weights, mixed, plain_layout, read_onnx
from .base import Graph
from .graph_cache import cached_graph, inference_graph
from .tile_engine import USUAL_TILE, GraphTileEngine, TorchTileEngine

#: Side of a tile, in pixels of the features that an RRDBNet has; ×4 at width 64 takes about 1 GB.
_RRDB_TILE = 256


@dataclass(frozen=True)
class UpscalerSource:
    """An upscaler, not yet opened.

    Attributes:
        model: Its file.
        partner: A file of the same shapes to be mixed in, or None.
        share: Of `model` in the mixture.
    """

    model: ModelInfo
    partner: ModelInfo | None = None
    share: float = 1.0

    def graph(self) -> Path:
        """Its ONNX file, made if need be; see `inference_graph`."""
        if self.partner is None:
            return inference_graph(self.model)
        sums = (self.model.sha256 or "")[:16] + (self.partner.sha256 or "")[:16]
        return cached_graph(f"{sums}-{self.share:.4f}", lambda: self.weights)

    def on_graph(self, graph: Graph, path: Path) -> GraphTileEngine:
        """The engine on its opened ONNX file."""
        return GraphTileEngine(graph, read_onnx(path), self.model.factor, tile=self.tile)

    def in_torch(self, device: str, precision: str) -> TorchTileEngine:
        """The engine in torch.

        Raises:
            MissingExtraError: torch is not installed.
            EngineError: There is no such device, or the file is another tool's ONNX.
        """
        from .torch import torch_device

        return TorchTileEngine(self.weights, torch_device(device), precision, tile=self.tile)

    @cached_property
    def weights(self) -> Weights:
        """Its tensors, those of two files mixed.

        Raises:
            WeightsError: The two are not of one shape.
        """
        weights = load_weights(self.model.path)
        if self.partner is None:
            return weights
        other = load_weights(self.partner.path)
        if weights.upscaler is None or weights.upscaler != other.upscaler:
            raise WeightsError(
                f"{self.model.path.name} is {weights.title}, {self.partner.path.name} "
                f"{other.title}; expected two of one shape to mix",
                path=self.partner.path,
            )
        ours, others = plain_layout(weights.tensors), plain_layout(other.tensors)
        return replace(weights, tensors=mixed(ours, others, self.share))

    @cached_property
    def net(self) -> UpscalerNet | None:
        """Its numbers; None where it is another tool's graph."""
        return self.weights.upscaler

    @cached_property
    def is_fixed(self) -> bool:
        """Whether it takes tiles of one size only."""
        return self.net is None and read_onnx(self.model.path).inputs[0][2][2] is not None

    @property
    def tile(self) -> int:
        """Side of its tiles."""
        is_graph = self.model.path.suffix.lower() == ".onnx"
        return USUAL_TILE if is_graph or self.net is None else _RRDB_TILE * self.net.block
