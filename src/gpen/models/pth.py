"""Reads `.pth` files without torch and without running them.

A `.pth` file is a pickle, which is a program: loading it may call anything. Here the pickle meets
a world of a dozen inert names; any other name it asks for ends the reading with UnsafeFileError
before anything is called. Both layouts are read: the zip archive (torch 1.6 and later) and the
row of pickles before it. Tensors are views of the mapped file.
"""

from __future__ import annotations

import math
import mmap
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnsafeFileError, WeightsError
from .tensors import STORAGE_DTYPES, Tensor

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_MAX_PICKLE_BYTES = 256 << 20  # the names and shapes; a real one is some 100 kB
_STORAGES = {
    "DoubleStorage": "f64",
    "FloatStorage": "f32",
    "HalfStorage": "f16",
    "BFloat16Storage": "bf16",
    "LongStorage": "i64",
    "IntStorage": "i32",
    "ShortStorage": "i16",
    "CharStorage": "i8",
    "ByteStorage": "u8",
    "BoolStorage": "bool",
}


def read_pth(path: Path) -> Any:
    """Read what a `.pth` file holds.

    Returns:
        The pickled object: dicts, lists, numbers, text, and a `Tensor` for each tensor.

    Raises:
        UnsafeFileError: The pickle asks for anything but tensors.
        WeightsError: The file is damaged, compressed, or a TorchScript program.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if mapped[:4] == b"PK\x03\x04":
            return _read_zip(path, mapped)
        return _read_legacy(path, mapped)
    except WeightsError:
        raise
    except zipfile.BadZipFile:
        raise WeightsError(
            f"{path.name} ends too early ({path.stat().st_size:,} bytes): download it again",
            path=path,
        ) from None
    except Exception as error:  # a hostile pickle can raise anything; none of it concerns the user
        raise WeightsError(
            f"{path.name} is damaged or no weight file ({type(error).__name__} while reading it); "
            "expected .pth, .safetensors or .onnx: download it again",
            path=path,
        ) from error


def _read_zip(path: Path, mapped: mmap.mmap) -> Any:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        names = [name for name in entries if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(names) != 1:
            raise WeightsError(
                f"{path.name} is a zip archive without tensors: unpack it, "
                "or download the weight file itself",
                path=path,
            )
        prefix = names[0].removesuffix("data.pkl")
        if any(name.startswith(f"{prefix}code/") for name in entries):
            raise UnsafeFileError(
                f"{path.name} is a TorchScript program, not weights: save its state_dict() instead",
                path=path,
            )
        if f"{prefix}byteorder" in entries and archive.read(f"{prefix}byteorder") == b"big":
            raise WeightsError(
                f"{path.name} was saved on a big-endian machine: save it again as .safetensors",
                path=path,
            )
        if entries[names[0]].file_size > _MAX_PICKLE_BYTES:
            raise WeightsError(f"{path.name} has no sane table of tensors", path=path)
        with archive.open(names[0]) as file:
            tree = _Reader(file, path).load()

    def storage(key: str) -> memoryview:
        return _stored_bytes(path, mapped, entries[f"{prefix}data/{key}"])

    return _resolve(tree, storage)


def _stored_bytes(path: Path, mapped: mmap.mmap, entry: zipfile.ZipInfo) -> memoryview:
    """The bytes of an uncompressed archive entry, where they lie in the file."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise WeightsError(
            f"{path.name} is compressed inside; expected stored tensors: "
            "save it again with torch.save",
            path=path,
        )
    # The entry's local header is 30 bytes, then its name and an extra field of their own lengths.
    name_length, extra_length = struct.unpack_from("<HH", mapped, entry.header_offset + 26)
    start = entry.header_offset + 30 + name_length + extra_length
    return memoryview(mapped)[start : start + entry.file_size]


def _read_legacy(path: Path, mapped: mmap.mmap) -> Any:
    """A row of pickles (magic, version, system, object, storage keys), then the storages."""
    if _Reader(mapped, path).load() != _LEGACY_MAGIC:
        raise WeightsError(
            f"{path.name} is a pickle that torch did not write; "
            "expected .pth, .safetensors or .onnx",
            path=path,
        )
    _Reader(mapped, path).load()
    _Reader(mapped, path).load()
    reader = _Reader(mapped, path)
    tree = reader.load()
    keys = _Reader(mapped, path).load()
    storages, position = {}, mapped.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", mapped, position)
        size = count * np.dtype(STORAGE_DTYPES[reader.storage_dtypes[key]]).itemsize
        if count < 0 or position + 8 + size > len(mapped):
            raise WeightsError(
                f"{path.name} ends too early ({len(mapped):,} bytes): download it again", path=path
            )
        storages[key] = memoryview(mapped)[position + 8 : position + 8 + size]
        position += 8 + size
    return _resolve(tree, storages.__getitem__)


class _Reader(pickle.Unpickler):  # nothing but the names below can be reached
    """Unpickles into plain containers and `_TensorRef`s, or raises UnsafeFileError."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, encoding="utf-8")
        self._path = path
        self.storage_dtypes: dict[str, str] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        made = _NAMES.get((module, name))
        if made is None:
            raise UnsafeFileError(
                f"{self._path.name} would call {module}.{name} when loaded; expected tensors only. "
                "Nothing was run: do not use the file, or get it as .safetensors",
                path=self._path,
            )
        return made()

    def persistent_load(self, pid: Any, /) -> Any:
        kind, storage_type, key, _device, _count, *_view = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"unknown reference {kind!r}")
        self.storage_dtypes[str(key)] = storage_type.dtype
        return _StorageRef(str(key), storage_type.dtype)


@dataclass(frozen=True)
class _StorageType:
    dtype: str


@dataclass(frozen=True)
class _StorageRef:
    key: str
    dtype: str


@dataclass(frozen=True)
class _TensorRef:
    storage: _StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict[Any, Any]):
    """Stands in for OrderedDict; drops the attributes a pickle may give it."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Options:
    """Stands in for `argparse.Namespace`, which training scripts save too; holds nothing."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _RebuildTensor:
    """Stands in for `torch._utils._rebuild_tensor` and its second version."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _TensorRef:
        if not isinstance(storage, _StorageRef) or len(shape) != len(strides):
            raise pickle.UnpicklingError("a tensor without storage")
        return _TensorRef(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _RebuildParameter:
    """Stands in for `torch._utils._rebuild_parameter`: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, data: Any, *_: Any) -> Any:
        return data


class _Size:
    """Stands in for `torch.Size`."""

    __slots__ = ()

    def __call__(self, lengths: Any = ()) -> tuple[Any, ...]:
        return tuple(lengths)


# A fresh stand-in each time: whatever a pickle does to it, the next file does not see.
_NAMES: Mapping[tuple[str, str], Callable[[], Any]] = {
    ("collections", "OrderedDict"): lambda: _Dict,
    ("argparse", "Namespace"): lambda: _Options,
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor,
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter,
    ("torch", "Size"): _Size,
}


def _resolve(tree: Any, storage: Callable[[str], memoryview]) -> Any:
    """Replace every reference by a view of its storage."""
    # Lists that share one member a billion times over must not be copied a billion times.
    done: dict[int, Any] = {}

    def walk(node: Any) -> Any:
        if id(node) not in done:
            if isinstance(node, dict):
                done[id(node)] = {key: walk(value) for key, value in node.items()}
            elif isinstance(node, (list, tuple)):
                done[id(node)] = [walk(value) for value in node]
            else:
                is_tensor = isinstance(node, _TensorRef)
                done[id(node)] = _view(node, storage(node.storage.key)) if is_tensor else node
        return done[id(node)]

    return walk(tree)


def _view(ref: _TensorRef, storage: memoryview) -> Tensor:
    dtype = np.dtype(STORAGE_DTYPES[ref.storage.dtype])
    flat = np.frombuffer(storage, dtype=dtype, count=len(storage) // dtype.itemsize)
    if min((ref.offset, *ref.shape, *ref.strides)) < 0:
        raise ValueError("negative lengths")
    if math.prod(ref.shape) == 0:
        return Tensor(ref.storage.dtype, np.zeros(ref.shape, dtype))
    last = ref.offset + sum((n - 1) * s for n, s in zip(ref.shape, ref.strides, strict=True))
    if last >= flat.size:
        raise ValueError("a tensor larger than its storage")
    strides = [s * dtype.itemsize for s in ref.strides]
    bits = np.lib.stride_tricks.as_strided(flat[ref.offset :], ref.shape, strides, writeable=False)
    return Tensor(ref.storage.dtype, bits)
