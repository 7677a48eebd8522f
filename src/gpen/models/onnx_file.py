"""Reads and writes ONNX files by their wire format, without the onnx package.

ONNX is protocol buffers: a message is a row of fields, each a number, a wire type and a value.
The field numbers below are those of `onnx.proto`. Reading maps the file, so that listing a folder
of 300 MB networks touches only their names; writing streams the tensors.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WeightsError
from ..version import VERSION
from .tensors import STORAGE_DTYPES, Tensor

_ELEMENT_TYPES = {
    "f32": 1,
    "u8": 2,
    "i8": 3,
    "i16": 5,
    "i32": 6,
    "i64": 7,
    "bool": 9,
    "f16": 10,
    "f64": 11,
    "bf16": 16,
}
_DTYPES = {number: name for name, number in _ELEMENT_TYPES.items()}
_IR_VERSION = 8
#: Nodes whose kinds are read: enough to see how a network scales its image.
_FIRST = 8
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

#: Name, dtype and shape; None stands for a length that varies.
Value = tuple[str, str, tuple[int | None, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """What an ONNX file says about itself.

    Attributes:
        inputs: Name, dtype and shape of each input.
        outputs: Name, dtype and shape of each output.
        initializers: Names of all stored tensors.
        tensors: Those whose values lie in the file as plain bytes.
        notes: Its metadata.
        operations: Kinds of its first nodes.
        external: Other files that hold its tensors, relative to its folder, and how many bytes of
            each it needs.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    initializers: frozenset[str]
    tensors: dict[str, Tensor]
    notes: dict[str, str]
    operations: tuple[str, ...] = ()
    external: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operation of a graph to be written.

    Attributes:
        attributes: int, float, text, or a list of ints, by name.
    """

    operation: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def read_onnx(path: Path) -> OnnxFile:
    """Read the inputs, outputs, tensors and metadata of a graph.

    Raises:
        WeightsError: The file is missing, cut off, or no ONNX graph.
    """
    try:
        with path.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        model = _group(mapped)
        (graph,) = (_group(part) for part in model[7])
        tensors = dict(_tensor(part) for part in graph.get(5, []))
        notes = {_text(e[1]): _text(e[2]) for e in map(_group, model.get(14, []))}
        inputs = (_value(part) for part in graph.get(11, []))
        return OnnxFile(
            # Files older than IR 4 list their tensors among the inputs.
            inputs=tuple(value for value in inputs if value[0] not in tensors),
            outputs=tuple(_value(part) for part in graph[12]),
            initializers=frozenset(tensors),
            tensors={name: tensor for name, tensor in tensors.items() if tensor is not None},
            notes=notes,
            operations=tuple(_text(_group(node)[4]) for node in graph.get(1, [])[:_FIRST]),
            external=_external(graph.get(5, [])),
        )
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist", path=path) from None
    except (ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise WeightsError(
            f"{path.name} is cut off or no ONNX graph: download it again", path=path
        ) from error


def write_onnx(
    path: Path,
    *,
    inputs: Sequence[tuple[str, Sequence[int | None]]],
    outputs: Sequence[tuple[str, Sequence[int | None]]],
    nodes: Iterable[OnnxNode],
    tensors: Mapping[str, Tensor],
    notes: Mapping[str, str],
    opset: int,
) -> None:
    """Write a graph whose inputs and outputs are float32; None stands for lengths that vary."""
    graph = [_chunk(1, _node(node)) for node in nodes]
    graph.append(_chunk(2, [b"gpen"]))
    graph += [_chunk(5, _tensor_chunks(name, tensor)) for name, tensor in tensors.items()]
    graph += [_chunk(11, _value_chunks(name, shape)) for name, shape in inputs]
    graph += [_chunk(12, _value_chunks(name, shape)) for name, shape in outputs]
    model: list[_Chunks] = [
        [_key(1, _VARINT), _varint(_IR_VERSION)],
        _chunk(2, [b"gpen"]),
        _chunk(3, [VERSION.encode()]),
        _chunk(7, _flat(graph)),
        _chunk(8, [_key(2, _VARINT), _varint(opset)]),
        *(
            _chunk(14, [*_chunk(1, [key.encode()]), *_chunk(2, [value.encode()])])
            for key, value in notes.items()
        ),
    ]
    with path.open("wb") as file:
        for part in _flat(model):
            file.write(part.bits.data if isinstance(part, Tensor) else part)


# Reading ----------------------------------------------------------------------------------------


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _read_varint(message, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, position = _read_varint(message, position)
        else:
            length = {_FIXED32: 4, _FIXED64: 8}[kind]
        if position + length > len(message):
            raise ValueError("a field reaches past the end")
        yield key >> 3, message[position : position + length]
        position += length


def _group(message: memoryview) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for number, value in _fields(message):
        found.setdefault(number, []).append(value)
    return found


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _text(values: Sequence[memoryview]) -> str:
    return bytes(values[-1]).decode()


def _dims(values: Iterable[int | memoryview]) -> tuple[int, ...]:
    """Lengths, one per field or packed into one."""
    dims: list[int] = []
    for value in values:
        if isinstance(value, int):
            dims.append(value)
            continue
        position = 0
        while position < len(value):
            length, position = _read_varint(value, position)
            dims.append(length)
    return tuple(dims)


def _tensor(part: memoryview) -> tuple[str, Tensor | None]:
    message = _group(part)
    name, dtype = _text(message[8]), _DTYPES.get(message[2][0])
    data = message.get(9) or (message.get(4) if dtype == "f32" else None)
    if dtype is None or data is None or len(data) != 1:
        return name, None
    bits = np.frombuffer(data[0], STORAGE_DTYPES[dtype])
    return name, Tensor(dtype, bits.reshape(_dims(message.get(1, []))))


def _external(parts: Iterable[memoryview]) -> dict[str, int]:
    """Files beside the graph that hold tensors, each with its least length."""
    found: dict[str, int] = {}
    for part in parts:
        entries = (_group(entry) for entry in _group(part).get(13, []))
        place = {_text(entry[1]): _text(entry[2]) for entry in entries}
        if name := place.get("location"):
            end = int(place.get("offset", 0)) + int(place.get("length", 0))
            found[name] = max(end, found.get(name, 0))
    return found


def _value(part: memoryview) -> Value:
    message = _group(part)
    if 2 not in message:  # optimisers leave it out of outputs
        return _text(message[1]), "other", ()
    tensor_type = _group(_group(message[2][0])[1][0])
    shape: list[int | None] = []
    for dim in _group(tensor_type[2][0]).get(1, []) if 2 in tensor_type else []:
        length = _group(dim).get(1, [0])[0]
        shape.append(length or None)
    return _text(message[1]), _DTYPES.get(tensor_type[1][0], "other"), tuple(shape)


# Writing: a message is a list of chunks, so that tensors are never copied ------------------------

_Chunks = list["bytes | Tensor"]


def _flat(parts: Iterable[Iterable[bytes | Tensor]]) -> _Chunks:
    return [chunk for part in parts for chunk in part]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _chunk(number: int, parts: Iterable[bytes | Tensor]) -> _Chunks:
    """A field that holds a message, text or bytes."""
    parts = list(parts)
    size = sum(p.bits.nbytes if isinstance(p, Tensor) else len(p) for p in parts)
    return [_key(number, _BYTES), _varint(size), *parts]


def _node(node: OnnxNode) -> _Chunks:
    texts = [(1, name) for name in node.inputs] + [(2, name) for name in node.outputs]
    texts += [(3, node.outputs[0]), (4, node.operation)]
    parts = [_chunk(number, [text.encode()]) for number, text in texts]
    parts += [_chunk(5, _attribute(name, value)) for name, value in node.attributes.items()]
    return _flat(parts)


def _attribute(name: str, value: float | str | Sequence[int]) -> _Chunks:
    chunks = _chunk(1, [name.encode()])
    if isinstance(value, float):
        return [*chunks, _key(2, _FIXED32), struct.pack("<f", value), _key(20, _VARINT), b"\x01"]
    if isinstance(value, int):
        return [*chunks, _key(3, _VARINT), _varint(value), _key(20, _VARINT), b"\x02"]
    if isinstance(value, str):
        return [*chunks, *_chunk(4, [value.encode()]), _key(20, _VARINT), b"\x03"]
    items = _flat([_key(8, _VARINT), _varint(item)] for item in value)
    return [*chunks, *items, _key(20, _VARINT), b"\x07"]


def _tensor_chunks(name: str, tensor: Tensor) -> _Chunks:
    tensor = Tensor(tensor.dtype, np.ascontiguousarray(tensor.bits).reshape(tensor.shape))
    dims = _flat([_key(1, _VARINT), _varint(length)] for length in tensor.shape)
    kind = [_key(2, _VARINT), _varint(_ELEMENT_TYPES[tensor.dtype])]
    return [*dims, *kind, *_chunk(8, [name.encode()]), *_chunk(9, [tensor])]


def _value_chunks(name: str, shape: Sequence[int | None]) -> _Chunks:
    dims = _flat(
        _chunk(1, [_key(1, _VARINT), _varint(length)] if length is not None else [])
        for length in shape
    )
    tensor_type = [_key(1, _VARINT), _varint(_ELEMENT_TYPES["f32"]), *_chunk(2, dims)]
    return [*_chunk(1, [name.encode()]), *_chunk(2, _chunk(1, tensor_type))]
