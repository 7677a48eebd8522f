"""Reads and writes `.safetensors`: eight bytes of length, a JSON header, the tensors.

The safetensors package cannot give numpy a bf16 tensor, nor map one without a framework.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WeightsError
from .tensors import STORAGE_DTYPES, Tensor

_DTYPES = {name.upper(): name for name in STORAGE_DTYPES}
_MAX_HEADER_BYTES = 100 << 20  # the format's own limit


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Map the tensors of a file.

    Returns:
        Tensors by name, and the file's own notes.

    Raises:
        WeightsError: The file is damaged, cut off, or holds a dtype that weights do not have.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        length = int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8 : 8 + min(length, _MAX_HEADER_BYTES)])
        notes = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
        data = memoryview(mapped)[8 + length :]
        return {name: _tensor(data, **entry) for name, entry in header.items()}, notes
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path.name} is damaged or cut off ({error}): download it again", path=path
        ) from error


def _tensor(data: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> Tensor:
    start, end = data_offsets
    name = _DTYPES[dtype]
    bits = np.dtype(STORAGE_DTYPES[name])
    if not 0 <= start <= end <= len(data) or end - start != math.prod(shape) * bits.itemsize:
        raise ValueError("a tensor reaches past the end")
    return Tensor(name, np.frombuffer(data[start:end], bits).reshape(shape))


def write_safetensors(
    tensors: Mapping[str, Tensor], path: Path, notes: Mapping[str, str] | None = None
) -> None:
    """Write tensors to a file, with notes as text."""
    header: dict[str, Any] = {"__metadata__": dict(notes or {"format": "pt"})}
    start = 0
    for name, tensor in tensors.items():
        end = start + tensor.bits.nbytes
        header[name] = {
            "dtype": tensor.dtype.upper(),
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format asks for aligned data
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())
