"""A restorer's ONNX graph as an `Engine`, including files of other tools."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import EngineError
from ..models import ModelInfo, OnnxFile
from ..types import FloatArray
from .base import Graph, check_batch
from .batching import TogetherOrSingly

#: For files with a second input `weight` (CodeFormer's fidelity): keep closest to the input face.
_FIDELITY = 1.0
_NUMPY = {"f32": np.float32, "f16": np.float16, "f64": np.float64}


class GraphEngine:
    """A face restorer in an ONNX graph; see `Engine`.

    Takes files with one image per run or with any number, of one size or of any, in f32 or f16,
    with any names of input and output, and with an optional input `weight`.
    """

    def __init__(self, graph: Graph, file: OnnxFile, model: ModelInfo) -> None:
        """Wrap a graph.

        Args:
            graph: The graph, ready to run.
            file: What the same file says of its inputs and outputs.
            model: What was found out about it; knows the sizes that the file leaves open.

        Raises:
            EngineError: It takes several images per run, or a dtype that images do not have.
        """
        self.name, self.device, self.precision = graph.name, graph.device, graph.precision
        image = next(value for value in file.inputs if len(value[2]) == 4)
        batch = image[2][0]
        if model.size is None or model.in_size is None:
            raise EngineError(f"{model.path.name} has no size", engine=graph.name)
        if batch not in (1, None) or image[1] not in _NUMPY:
            raise EngineError(
                f"the graph takes {image[1]} {image[2]}; expected f32 or f16 (1, 3, S, S)",
                engine=graph.name,
            )
        self.in_size, self.size = model.in_size, model.size
        self._graph, self._file = graph, file
        self._run_all = TogetherOrSingly(self._run, together=batch is None, name=self.name)

    def run(self, crops: FloatArray) -> FloatArray:
        """Restore crops; see `Engine.run`."""
        check_batch(crops, self.in_size, self.name)
        if not len(crops):
            return np.zeros((0, 3, self.size, self.size), np.float32)
        return self._checked(self._run_all(crops), len(crops))

    def _checked(self, output: FloatArray, count: int) -> FloatArray:
        wanted = (count, 3, self.size, self.size)
        if output.shape != wanted:
            raise EngineError(
                f"the graph answers faces of {self.in_size} px with {output.shape}; "
                f"expected {wanted}: it is no face restorer of this size",
                engine=self.name,
            )
        return output

    def _run(self, crops: FloatArray) -> FloatArray:
        outputs = self._graph.run(
            *(self._feed(value[2], value[1], crops) for value in self._file.inputs)
        )
        return outputs[0].astype(np.float32, copy=False)

    @staticmethod
    def _feed(shape: tuple[int | None, ...], dtype: str, crops: FloatArray) -> Any:
        if len(shape) == 4:
            return crops.astype(_NUMPY[dtype], copy=False)
        return np.full([length or 1 for length in shape], _FIDELITY, _NUMPY[dtype])
