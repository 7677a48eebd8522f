"""Runs an ONNX graph in torch, differentiably.

Only what networks for faces are made of. Source of what each operation means: the ONNX operator
reference, opsets 7 to 21.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import MissingExtraError, WeightsError

#: ONNX's numbers of f32, f16 and f64.
_FLOATS = (1, 10, 11)
#: Inputs of a node, its attributes → its first output.
_Operation = Callable[..., Any]


class OnnxNetwork(nn.Module):
    """A graph of one image in and one tensor out.

    Args:
        path: .onnx file with its tensors inside.

    Attributes:
        input_shape: Shape of its image; None where a length varies.
        operations: Kinds of its nodes, in order.

    Raises:
        WeightsError: The file is no ONNX graph, or holds an operation that is not known here.
        MissingExtraError: The onnx package is missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = _read_graph(path)
        self._constants: dict[str, Any] = {}
        for tensor in graph.initializer:
            self._keep(tensor.name, _values(tensor))
        inputs = [value for value in graph.input if value.name not in self._constants]
        self._input, self._output = inputs[0].name, graph.output[0].name
        dims = inputs[0].type.tensor_type.shape.dim
        self.input_shape = tuple(dim.dim_value or None for dim in dims)
        self.operations = tuple(node.op_type for node in graph.node)
        unknown = sorted(set(self.operations) - {"Constant", *_OPERATIONS})
        if unknown or len(inputs) != 1:
            reason = f"operations {', '.join(unknown)}" if unknown else f"{len(inputs)} inputs"
            raise WeightsError(
                f"{path.name} has {reason}, which gpen cannot differentiate; "
                f"expected one input and only {', '.join(sorted(_OPERATIONS))}",
                path=path,
            )
        self._nodes = []
        for node in graph.node:
            attributes = {a.name: _attribute(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._keep(node.output[0], _values(attributes["value"]))
            else:
                entry = (_OPERATIONS[node.op_type], tuple(node.input), node.output[0], attributes)
                self._nodes.append(entry)

    def _keep(self, name: str, values: Any) -> None:
        """Floats become buffers, which follow the module to its device; shapes stay numbers."""
        if values.dtype.kind != "f":
            self._constants[name] = values.tolist()
            return
        buffer = f"constant_{len(self._constants)}"
        self.register_buffer(buffer, torch.from_numpy(values.astype(np.float32)))
        self._constants[name] = buffer

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → whatever the graph answers."""
        values: dict[str, Any] = {"": None, self._input: x}
        for name, kept in self._constants.items():
            values[name] = getattr(self, kept) if isinstance(kept, str) else kept
        for operation, inputs, output, attributes in self._nodes:
            values[output] = operation(*(values[name] for name in inputs), **attributes)
        answer: Tensor = values[self._output]
        return answer


def _read_graph(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("Training with an .onnx file as judge", extra="torch") from None
    try:
        return onnx.load(path).graph
    except Exception as error:  # protobuf raises its own kinds, which differ between versions
        raise WeightsError(
            f"{path.name} is cut off or no ONNX graph: download it again", path=path
        ) from error


def _values(tensor: Any) -> Any:
    from onnx import numpy_helper

    return np.array(numpy_helper.to_array(tensor))


def _attribute(attribute: Any) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


# Operations --------------------------------------------------------------------------------------


def _padded(x: Tensor, pads: Sequence[int] | None, auto_pad: str, fill: float = 0.0) -> Tensor:
    """Pad the last axes by their beginnings, then their ends."""
    if auto_pad not in ("NOTSET", "VALID"):
        raise WeightsError(f"auto_pad {auto_pad} is not known here; expected explicit pads")
    if not pads or not any(pads):
        return x
    half = len(pads) // 2
    pairs = [pads[side * half + axis] for axis in reversed(range(half)) for side in (0, 1)]
    return functional.pad(x, pairs, value=fill)


def _pad(
    x: Tensor, pads: Sequence[int], value: Tensor | None = None, *, mode: str = "constant"
) -> Tensor:
    if mode != "constant":
        raise WeightsError(f"Pad of mode {mode} is not known here; expected constant")
    return _padded(x, pads, "NOTSET", fill=0.0 if value is None else float(value))


def _cast(x: Tensor, *, to: int) -> Tensor:
    """Between kinds of floats only: all of them are f32 here."""
    if to not in _FLOATS:
        raise WeightsError(f"Cast to type {to} is not known here; expected a kind of float")
    return x


def _conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, pads: Any = None,
    strides: Any = (1, 1), dilations: Any = (1, 1), group: int = 1, auto_pad: str = "NOTSET",
    kernel_shape: Any = None,  # noqa: ARG001
) -> Tensor:  # fmt: skip
    x = _padded(x, pads, auto_pad)
    return functional.conv2d(
        x, weight, bias, stride=tuple(strides), dilation=tuple(dilations), groups=group
    )


def _batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *,
    epsilon: float = 1e-5, **_: Any,
) -> Tensor:  # fmt: skip
    return functional.batch_norm(x, mean, variance, weight, bias, eps=epsilon)


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, x * slope.to(x.dtype), x)


def _gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0,
    transA: int = 0, transB: int = 0,  # noqa: N803
) -> Tensor:  # fmt: skip
    product = alpha * ((a.t() if transA else a) @ (b.t() if transB else b))
    return product if c is None else product + beta * c


def _flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    return x.flatten(axis) if axis == 1 else x.reshape(x.shape[:axis].numel(), -1)


def _reshape(x: Tensor, shape: Sequence[int], *, allowzero: int = 0) -> Tensor:
    """0 keeps a length; a first length of 1 is the batch of a graph made for one image."""
    lengths = [
        x.shape[axis] if length == 0 and not allowzero else length
        for axis, length in enumerate(shape)
    ]
    if lengths[0] == 1 and len(lengths) > 1:
        lengths[0] = len(x)
    return x.reshape(lengths)


def _max_pool(
    x: Tensor, *, kernel_shape: Sequence[int], strides: Any = (1, 1), pads: Any = None,
    ceil_mode: int = 0, auto_pad: str = "NOTSET", dilations: Any = (1, 1), storage_order: int = 0,
) -> Tensor:  # fmt: skip
    if storage_order:
        raise WeightsError("MaxPool of column-major order is not known here")
    x = _padded(x, pads, auto_pad, fill=float("-inf"))
    return functional.max_pool2d(
        x, tuple(kernel_shape), tuple(strides), dilation=tuple(dilations), ceil_mode=bool(ceil_mode)
    )


def _average_pool(
    x: Tensor, *, kernel_shape: Sequence[int], strides: Any = (1, 1), pads: Any = None,
    ceil_mode: int = 0, count_include_pad: int = 0, auto_pad: str = "NOTSET",
) -> Tensor:  # fmt: skip
    if pads and any(pads) and not count_include_pad:
        ones = _padded(torch.ones_like(x[:1, :1]), pads, auto_pad)
        share = functional.avg_pool2d(ones, tuple(kernel_shape), tuple(strides))
    else:
        share = torch.ones((), device=x.device)
    x = _padded(x, pads, auto_pad)
    sums = functional.avg_pool2d(x, tuple(kernel_shape), tuple(strides), ceil_mode=bool(ceil_mode))
    return sums / share.to(x.dtype)


def _reduce_mean(
    x: Tensor, axes: Sequence[int] | None = None, *, keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:  # fmt: skip
    if not axes:
        axes = () if noop_with_empty_axes else range(x.dim())
    return x.mean(dim=tuple(axes), keepdim=bool(keepdims)) if len(axes) else x


def _squeeze(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(x: Tensor, axes: Sequence[int]) -> Tensor:
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _transpose(x: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    return x.permute(tuple(perm) if perm else tuple(reversed(range(x.dim()))))


_OPERATIONS: Mapping[str, _Operation] = {
    "Add": lambda a, b: a + b,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Conv": _conv,
    "Div": lambda a, b: a / b,
    "Dropout": lambda x, *_, **__: x,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda x: x.mean(dim=(2, 3), keepdim=True),
    "Identity": lambda x: x,
    "MatMul": lambda a, b: a @ b,
    "MaxPool": _max_pool,
    "Mul": lambda a, b: a * b,
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": functional.relu,
    "Reshape": _reshape,
    "Sigmoid": torch.sigmoid,
    "Squeeze": _squeeze,
    "Sub": lambda a, b: a - b,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
