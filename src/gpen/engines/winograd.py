"""Winograd's minimal filtering: 3 × 3 convolutions with a quarter of the multiplications.

F(4 × 4, 3 × 3) cuts an image into tiles of 6 × 6 that overlap by 2, turns tiles and kernels into
36 values each, multiplies those as matrices over the channels, and turns the 36 products into 4 × 4
pixels: 36 multiplications where a plain convolution has 144. OpenVINO 2026 has no such convolution
of its own, so it is written with its plain operations:

    depthwise convolutions, 6 × 1 then 1 × 6, steps of 4   tiles → 36 values
    36 matrix products over the channels                    the multiplications
    one matrix product over the 36, and a transposition     36 values → 4 × 4 pixels

In f32 it rounds about ten times as coarsely as the plain convolution, 1e-5 of the largest value,
which no image shows. In bf16 it would be visible, so there it is not used; see
`docs/adr/0009-fewer-multiplications.md`.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016
(arXiv 1509.09308), section 4; matrices by the points 0, ±1, ±2 and infinity.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Part of the name of compiled graphs: raise it when other convolutions are replaced, or otherwise.
WINOGRAD_VERSION = "winograd 1"
#: Pixels and values along the side of a tile.
_PIXELS, _VALUES = 4, 6
#: Convolutions with fewer channels, or smaller images, are faster as they are: turning tiles
#: into values costs as much per channel, whatever the number of channels it is then summed over.
MIN_INPUTS, MIN_OUTPUTS, MIN_SIDE = 256, 128, 32

_TILE = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_ANSWER = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


def use_winograd(model: Any, openvino: ModuleType) -> int:
    """Replace the convolutions of a model that are faster this way.

    Args:
        model: `openvino.Model`, changed in place.
        openvino: The package, which the caller has loaded; see `load_openvino`.

    Returns:
        How many were replaced.
    """
    rewriter, count = _Rewriter(openvino.opset13), 0
    for node in model.get_ordered_ops():
        if _fits(node) and (kernels := _constant(node.input_value(1))) is not None:
            output = rewriter.convolution(node.input_value(0), kernels)
            node.output(0).replace(output.output(0))
            count += 1
    return count


def _fits(node: Any) -> bool:
    """Whether this is a 3 × 3 convolution, padded by 1, with enough channels and pixels."""
    if node.get_type_name() != "Convolution" or not node.get_output_partial_shape(0).is_static:
        return False
    outputs, inputs, *kernel = node.get_input_shape(1)
    batch, _, *sides = node.get_input_shape(0)
    attributes = node.get_attributes()
    plain = [attributes[key] for key in ("strides", "dilations", "pads_begin", "pads_end")]
    return (
        batch == 1
        and kernel == [3, 3]
        and plain == [[1, 1]] * 4
        and all(side >= MIN_SIDE and side % _PIXELS == 0 for side in sides)
        and inputs >= MIN_INPUTS
        and outputs >= MIN_OUTPUTS
    )


def _constant(source: Any) -> NDArray[np.float32] | None:
    """The values of a stored tensor, also of one that is widened from f16; else None."""
    node = source.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    values: NDArray[np.float32] = node.get_data().astype(np.float32, copy=False)
    return values


class _Rewriter:
    """Writes one convolution; tensors have the axes that each comment says."""

    def __init__(self, ops: ModuleType) -> None:
        self._ops = ops

    def convolution(self, image: Any, kernels: NDArray[np.float32]) -> Any:
        """From (1, inputs, height, width) to (1, outputs, height, width)."""
        _, inputs, height, width = image.get_shape()
        outputs, high, wide = len(kernels), height // _PIXELS, width // _PIXELS
        values = self._values(image, inputs)
        values = self._reshaped(values, [_VALUES**2, high * wide, inputs])
        products = self._ops.matmul(
            values, self._numbers(transformed_kernels(kernels)), False, False
        )
        products = self._reshaped(products, [_VALUES**2, high * wide * outputs])
        pixels = self._numbers(np.kron(_ANSWER, _ANSWER))
        output = self._ops.matmul(pixels, products, False, False)
        output = self._reshaped(output, [_PIXELS, _PIXELS, high, wide, outputs])
        output = self._transposed(output, [2, 0, 3, 1, 4])  # row, its pixel, column, its pixel
        output = self._reshaped(output, [1, height, width, outputs])
        return self._transposed(output, [0, 3, 1, 2])

    def _values(self, image: Any, channels: int) -> Any:
        """(1, channels, height, width) → (36, rows of tiles, columns of tiles, channels)."""
        steps = [
            self._along(self._along(image, row, channels, 0), column, channels, 1)
            for row in _TILE
            for column in _TILE
        ]
        return self._transposed(self._ops.concat(steps, 0), [0, 2, 3, 1])

    def _along(self, x: Any, taps: NDArray[np.int64], channels: int, axis: int) -> Any:
        """One value of each tile along the rows (axis 0) or the columns (1)."""
        kernel, strides, pads = [1, 1], [1, 1], [0, 0]
        kernel[axis], strides[axis], pads[axis] = _VALUES, _PIXELS, 1
        weight = np.broadcast_to(taps.reshape(1, 1, 1, *kernel), (channels, 1, 1, *kernel))
        return self._ops.group_convolution(x, self._numbers(weight), strides, pads, pads, [1, 1])

    def _numbers(self, values: NDArray[Any]) -> Any:
        return self._ops.constant(np.ascontiguousarray(values, np.float32))

    def _reshaped(self, x: Any, shape: list[int]) -> Any:
        return self._ops.reshape(x, self._ops.constant(np.array(shape)), special_zero=False)

    def _transposed(self, x: Any, axes: list[int]) -> Any:
        return self._ops.transpose(x, self._ops.constant(np.array(axes)))


def transformed_kernels(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kernels (outputs, inputs, 3, 3) as the 36 values that meet a tile's: (36, inputs, outputs).

    Computed in f64, because the factors are no powers of two.
    """
    outputs, inputs = kernels.shape[:2]
    matrix = np.kron(_KERNEL, _KERNEL)
    flat = kernels.reshape(outputs * inputs, 9).astype(np.float64) @ matrix.T
    return np.ascontiguousarray(
        flat.reshape(outputs, inputs, -1).transpose(2, 1, 0), dtype=np.float32
    )
