"""Loads a weight file of any kind: recognises it and maps its tensors."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import MismatchError, WeightsError
from .architecture import Architecture, expected_shapes, read_architecture
from .checkpoints import plain_names, unwrapped
from .graph import tensors_of_graph
from .image_sizes import picture_sides
from .kinds import GENERATOR_KINDS, PUBLISHED_KINDS, Kind, Role, recognise
from .notes import GRAPH_NOTE, KIND_NOTE, checked_notes
from .onnx_file import OnnxFile, Value, read_onnx
from .pth import read_pth
from .safetensors import read_safetensors
from .tensors import Tensor, main_dtype
from .upscaler_graphs import UpscalerPorts, upscaler_ports
from .upscaler_tensors import UPSCALER_KINDS, UpscalerNet, read_upscaler

__all__ = ["KIND_NOTE", "SUFFIXES", "Weights", "load_weights"]

#: Suffixes of weight files; the first is preferred where a model has several.
SUFFIXES = (".onnx", ".safetensors", ".pth", ".pt", ".ckpt")

# Files that are something else altogether, by their first bytes.
_STRANGERS = (
    (
        rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|html|\?xml|head)",
        "is a web page, not weights",
        "download the file itself",
    ),
    (rb"version https://git-lfs", "is a Git LFS pointer, not weights", "run `git lfs pull`"),
    (rb"\s*[{\[]\s*[\"{\[]", "is JSON text, not weights", "download the file itself"),
    (rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ", "is a packed archive", "unpack it"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF", "is an image, not weights", "choose a weight file"),
    (rb"GGUF", "is a GGUF language model", "choose GPEN weights"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A weight file, opened.

    Attributes:
        path: The file.
        kind: What it is, in one word: "gpen", "gpen-subpixel", "yunet", "rrdb", …
        title: The same in a sentence.
        role: What gpen can use it for.
        dtype: What most of its values are stored in, or None where it holds none.
        size: Side of the image it returns, in pixels; None unless it is a restorer.
        in_size: Side of the image it takes.
        net: The numbers of a GPEN generator whose tensors are at hand, else None.
        upscaler: The numbers of an upscaler whose tensors are at hand, else None.
        factor: How many times an upscaler enlarges; None where only running it will tell.
        takes_any_size: An ONNX graph that leaves its size open, and so may be an upscaler.
        tensors: Its tensors under their published names; empty for foreign ONNX files.
        notes: Its metadata.
    """

    path: Path
    kind: str
    title: str
    role: Role
    dtype: str | None
    size: int | None = None
    in_size: int | None = None
    net: Architecture | None = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    notes: Mapping[str, str] = field(default_factory=dict)
    upscaler: UpscalerNet | None = None
    factor: int | None = None
    takes_any_size: bool = False

    def serves_as(self, role: Role) -> bool:
        """Whether gpen can use it for some work."""
        return self.role == role or (role == "upscaler" and self.takes_any_size)


def load_weights(path: Path) -> Weights:
    """Open a weight file; its values are mapped, not read.

    Args:
        path: `.pth`, `.pt`, `.ckpt`, `.safetensors` or `.onnx`; the content decides, not the name.

    Raises:
        UnsafeFileError: It would run code when loaded. Nothing is run.
        MismatchError: It is a GPEN network whose tensors do not fit together.
        WeightsError: It is damaged, empty or no weight file; the message says what it is.
    """
    head = _first_bytes(path)
    if _is_safetensors(head):
        tensors, notes = read_safetensors(path)
        return _from_tensors(path, tensors, notes)
    if head[:1] == b"\x08" and path.suffix.lower() not in (".pth", ".pt", ".ckpt"):
        return _from_onnx(path, read_onnx(path))
    return _from_tensors(path, _state_dict(read_pth(path), path), {})


def _first_bytes(path: Path) -> bytes:
    """The beginning of a file that may hold weights.

    Raises:
        WeightsError: It cannot be read, is empty, or is plainly something else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise WeightsError(
            f"cannot read {path} ({error.strerror}): expected a weight file", path=path
        ) from error
    if not head:
        raise WeightsError(f"{path.name} is empty (0 bytes): download it again", path=path)
    for pattern, what, todo in _STRANGERS:
        if re.match(pattern, head, re.IGNORECASE):
            raise WeightsError(
                f"{path.name} {what}; expected .pth, .safetensors or .onnx: {todo}",
                path=path,
            )
    return head


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40


def _state_dict(tree: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict or training checkpoint, without wrappers.

    Raises:
        WeightsError: There are none.
    """
    entries = unwrapped(tree).items() if isinstance(tree, dict) else ()
    tensors = {str(name): value for name, value in entries if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(
            f"{path.name} holds no tensors; expected a state dict or a training checkpoint",
            path=path,
        )
    return tensors


def _from_tensors(path: Path, tensors: dict[str, Tensor], notes: dict[str, str]) -> Weights:
    tensors = plain_names(tensors)
    kind, dtype = recognise(tensors), main_dtype(tensors.values())
    if kind is None:
        title = f"a network unknown to gpen ({len(tensors)} tensors, {next(iter(tensors))!r}, …)"
        return Weights(path, "unknown", title, "none", dtype, tensors=tensors, notes=notes)
    if kind.id in UPSCALER_KINDS:
        return _upscaler(path, kind, tensors, notes)
    if kind.id not in GENERATOR_KINDS:
        return Weights(path, kind.id, kind.title, kind.role, dtype, tensors=tensors, notes=notes)
    net = read_architecture({name: tensor.shape for name, tensor in tensors.items()}, path)
    return _generator(path, net, tensors, notes)


def _upscaler(
    path: Path, kind: Kind, tensors: Mapping[str, Tensor], notes: Mapping[str, str]
) -> Weights:
    dtype = main_dtype(tensors.values())
    try:
        net = read_upscaler(kind.id, {name: tensor.shape for name, tensor in tensors.items()})
    except MismatchError as error:
        title = f"{kind.title} that gpen cannot run: {error}"
        return Weights(path, kind.id, title, "none", dtype, tensors=tensors, notes=notes)
    return Weights(
        path,
        kind.id,
        net.title,
        "upscaler",
        dtype,
        tensors=tensors,
        notes=notes,
        upscaler=net,
        factor=net.factor,
    )


def _generator(
    path: Path, net: Architecture, tensors: Mapping[str, Tensor], notes: Mapping[str, str]
) -> Weights:
    dtype = main_dtype(tensors.values())
    tensors = {name: tensors[name] for name in expected_shapes(net)}
    return Weights(
        path,
        net.kind,
        _title(net),
        "restorer",
        dtype,
        net.size,
        net.in_size,
        net,
        tensors,
        checked_notes(notes, net, path),
    )


def _title(net: Architecture) -> str:
    """What to call a generator in a sentence."""
    sizes = f"for {net.size} px"
    if net.in_size != net.size:
        sizes = f"from {net.in_size} to {net.size} px"
    if net.kind in PUBLISHED_KINDS:
        family = "GPEN generator" if net.in_size == net.size else "GPEN super-resolution generator"
        return f"a {family} {sizes}"
    if net.kind == "gpen-subpixel":
        return f"a sub-pixel GPEN generator {sizes}"
    parts = [f"encoder {net.encoder}", f"mapping of {net.n_mlp}", net.injection, net.upsampling]
    if not net.encoder_features:
        parts.insert(1, "no features")
    family = "described" if net.kind == "gpen-described" else "modular"
    return f"a {family} GPEN generator {sizes} ({', '.join(parts)})"


def _from_onnx(path: Path, file: OnnxFile) -> Weights:
    _check_external(path, file)
    dtype = main_dtype(file.tensors.values())
    is_ours = GRAPH_NOTE in file.notes
    if is_ours:
        with contextlib.suppress(MismatchError):  # a tool has rewritten it: as good as any graph
            tensors = tensors_of_graph(file.tensors)
            net = read_architecture({name: t.shape for name, t in tensors.items()}, path)
            return _generator(path, net, tensors, file.notes)
    elif KIND_NOTE in file.notes:
        kind = file.notes[KIND_NOTE]
        role: Role = "detector" if kind.startswith("detector") else "none"
        return Weights(path, kind, f"a {kind} of gpen", role, dtype, notes=file.notes)
    if known := _by_ports(file):
        return Weights(path, *known, dtype)
    kind_found = None if is_ours else recognise(file.initializers)
    ports = None if is_ours else upscaler_ports(file, path.stem, kind_found)
    if ports and ports.is_upscaler:
        return _upscaler_graph(path, ports, dtype, file.notes)
    if sides := picture_sides(file, path.stem, may_enlarge=is_ours):
        in_size, size = sides
        title = f"{kind_found.title} as ONNX" if kind_found else "a face restorer as ONNX"
        kind = kind_found.id if kind_found else "onnx-restorer"
        title = f"{title} for {size} px"
        return Weights(
            path,
            kind,
            title,
            "restorer",
            dtype,
            size,
            in_size,
            notes=file.notes,
            takes_any_size=ports is not None,
        )
    shapes = "; ".join(f"{_port(file.inputs)} → {_port(file.outputs)}".splitlines())
    return Weights(path, "unknown", f"an ONNX graph unknown to gpen ({shapes})", "none", dtype)


def _upscaler_graph(
    path: Path, ports: UpscalerPorts, dtype: str | None, notes: Mapping[str, str]
) -> Weights:
    factor = "" if ports.factor is None else f" ×{ports.factor:g}"
    title, kind = f"an upscaler{factor} as ONNX", "onnx-upscaler"
    if not ports.is_possible:
        title += ", a factor that gpen has no use for: 1, 2, 3, 4 and 8 are known"
        return Weights(path, kind, title, "none", dtype, notes=notes)
    factor_found = None if ports.factor is None else int(ports.factor)
    return Weights(path, kind, title, "upscaler", dtype, notes=notes, factor=factor_found)


def _check_external(path: Path, file: OnnxFile) -> None:
    """Refuse a graph whose tensors lie in another file that is not there, or not whole.

    Raises:
        WeightsError: Names that file.
    """
    for name, n_bytes in file.external.items():
        beside = path.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise WeightsError(
                f"{path.name} keeps its weights in {name}, outside its folder: save it as one file",
                path=path,
            )
        if not beside.is_file():
            raise WeightsError(
                f"{path.name} keeps its weights in {name}, which is not beside it: "
                "put that file there too",
                path=path,
            )
        if beside.stat().st_size < n_bytes:
            raise WeightsError(
                f"{name}, where {path.name} keeps its weights, is cut off: download it again",
                path=path,
            )


def _by_ports(file: OnnxFile) -> tuple[str, str, Role] | None:
    """Kind, title and role of a graph whose inputs and outputs tell them."""
    if {"cls_8", "obj_8", "bbox_8", "kps_8"} <= {name for name, _, _ in file.outputs}:
        return "yunet", "a YuNet detector", "detector"
    lasts = sorted({shape[-1] or 0 for _, _, shape in file.outputs if shape})
    if len(file.outputs) in (6, 9) and {1, 4} <= set(lasts) <= {1, 4, 10}:
        return "scrfd", "an SCRFD detector", "detector"
    if len(file.inputs) == len(file.outputs) == 1:
        return _by_shapes(file.inputs[0][2], file.outputs[0][2])
    return None


def _by_shapes(
    taken: tuple[int | None, ...], given: tuple[int | None, ...]
) -> tuple[str, str, Role] | None:
    """The same for a graph with one input and one output."""
    if taken[1:] == (3, 112, 112) and len(given) == 2:
        return "arcface", "an ArcFace identity network as ONNX", "identity"
    if taken[1:] == (3, 150, 150) and given[1:] == (128,):
        return "dlib", "dlib's face embedding as ONNX", "identity"
    if taken[1:] == (3, 112, 112) and given[1:] == (68, 2):
        return "landmarks68", "a network for 68 facial landmarks", "landmarks"
    if taken[1:2] == (3,) and given[1:3] == (2, 5) and len(given) == 5:
        return "reliability", "a network that judges face crops", "reliability"
    return None


def _port(values: tuple[Value, ...]) -> str:
    """Names and shapes in short: `input 1×3×512×512`."""
    shown = [f"{name} {'×'.join(str(d or '?') for d in shape)}" for name, _, shape in values[:3]]
    return ", ".join(shown) + (", …" if len(values) > 3 else "")
