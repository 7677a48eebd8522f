"""Tensors of a file: memory-mapped, independent of any framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray

#: Our name of each dtype, with the numpy dtype that holds its bits. Little-endian throughout.
STORAGE_DTYPES: Mapping[str, str] = {
    "f64": "<f8",
    "f32": "<f4",
    "f16": "<f2",
    "bf16": "<u2",
    "i64": "<i8",
    "i32": "<i4",
    "i16": "<i2",
    "i8": "i1",
    "u8": "u1",
    "bool": "?",
}


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of a weight file.

    Attributes:
        dtype: "f32", "f16", "bf16", …
        bits: The values, or for bf16, which numpy lacks, their bits as uint16.
    """

    dtype: str
    bits: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""
        return self.bits.shape

    def numpy(self) -> NDArray[Any]:
        """The values; bf16 becomes float32, without loss."""
        if self.dtype != "bf16":
            return self.bits
        return (self.bits.astype(np.uint32) << 16).view(np.float32)

    def float32(self) -> FloatArray:
        return self.numpy().astype(np.float32, copy=False)

    def half(self) -> Tensor:
        """The tensor in f16; one that is f16 already, or holds no floats, is returned as it is.

        Raises:
            OverflowError: A value is larger than f16 holds (65504).
        """
        if self.dtype not in ("f64", "f32", "bf16"):
            return self
        with np.errstate(over="ignore"):
            values = self.numpy().astype(np.float16)
        if not np.isfinite(values).all() and np.isfinite(self.float32()).all():
            raise OverflowError
        return Tensor("f16", values)

    def reshape(self, *shape: int) -> Tensor:
        """The same values with other axes."""
        return Tensor(self.dtype, self.bits.reshape(shape))

    def transpose(self, *axes: int) -> Tensor:
        """The same values with axes in another order."""
        return Tensor(self.dtype, self.bits.transpose(axes))

    def tobytes(self) -> bytes:
        """The bits in row-major order."""
        return self.bits.tobytes()


def main_dtype(tensors: Iterable[Tensor]) -> str | None:
    """The dtype that most values have."""
    count: Counter[str] = Counter()
    for tensor in tensors:
        count[tensor.dtype] += tensor.bits.size
    return count.most_common(1)[0][0] if count else None
