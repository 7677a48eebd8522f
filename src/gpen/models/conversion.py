"""Converts weight files: .pth ⇄ .safetensors ⇄ .onnx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import MissingExtraError, OutputExistsError, WeightsError
from ..files import crc32, written_whole
from .find import load_named
from .graph import GRAPH_VERSION, write_graph
from .graph.framing import Framing
from .graph.upscalers import write_upscaler_graph
from .load import Weights
from .notes import GRAPH_NOTE, TEMPLATE_NOTE, notes_to_write
from .safetensors import write_safetensors
from .tensors import Tensor
from .upscaler_tensors import plain_layout

_FORMATS = (".pth", ".pt", ".safetensors", ".onnx")


def convert(
    src: str | Path,
    dst: str | Path,
    *,
    half: bool = False,
    write_hash: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write weights in another format.

    Every tensor keeps its bits, unless `half` is asked for or bf16 goes into ONNX, as f32. Of a
    training checkpoint only the network to use (the moving average) is kept. An ONNX file written
    here can be turned back; one made by other programs cannot, for they change the tensors.

    Args:
        src: A path or the name of a model.
        dst: File to write; its suffix says the format.
        half: Store f16: half the size. An ONNX file still computes in f32, because f16
            arithmetic shows in faces.
        write_hash: Also write `<dst>.hash`, eight hex digits of CRC-32, as facefusion wants it.
        overwrite: Replace `dst` if it is there.

    Returns:
        The path written.

    Raises:
        OutputExistsError: `dst` is there and `overwrite` is false.
        WriteError: `dst` cannot be written; nothing is left behind.
        WeightsError: `src` is not usable, or cannot be turned into this format.
        MissingExtraError: Writing .pth needs torch.

    Example:
        >>> convert("GPEN-BFR-512.pth", "gpen_bfr_512.onnx", half=True)  # doctest: +SKIP
        PosixPath('gpen_bfr_512.onnx')
    """
    return convert_framed(src, dst, None, half=half, write_hash=write_hash, overwrite=overwrite)


def convert_framed(
    src: str | Path,
    dst: str | Path,
    framing: Framing | None,
    *,
    half: bool = False,
    write_hash: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a network as ONNX for a program that cuts faces its own way; see `convert`.

    A network that was trained on the very crops of the program is written as it is. What is
    written around others cannot be turned back into their weights.

    Args:
        src: A path or the name of a model that takes and returns one size.
        dst: File to write.
        framing: The program's crops; None where they are those of the network.
        half: Store f16.
        write_hash: Also write `<dst>.hash`.
        overwrite: Replace `dst` if it is there.
    """
    dst = Path(dst).expanduser()
    hash_path = dst.with_suffix(".hash")
    if dst.suffix.lower() not in _FORMATS:
        raise WeightsError(
            f"{dst.name} has no known suffix; expected one of {', '.join(_FORMATS)}", path=dst
        )
    for path in (dst, hash_path) if write_hash else (dst,):
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} is already there: add --overwrite", path=path)
    weights, _ = load_named(src)
    if not weights.tensors:
        raise WeightsError(
            f"{weights.path.name} is {weights.title}, and was not written by gpen: its weights "
            "are part of the graph and cannot be taken out; convert the .pth it was made from",
            path=weights.path,
        )
    tensors = _halved(weights) if half else weights.tensors
    with written_whole(dst) as temporary:
        if framing is None:
            _write(weights, tensors, temporary, dst.suffix.lower())
        else:
            write_inference_graph(weights, temporary, tensors, framing)
    if write_hash:
        with written_whole(hash_path) as temporary:
            temporary.write_text(crc32(dst), "ascii")
    return dst


def _halved(weights: Weights) -> dict[str, Tensor]:
    halved = {}
    for name, tensor in weights.tensors.items():
        try:
            halved[name] = tensor.half()
        except OverflowError:
            raise WeightsError(
                f"{weights.path.name} has values in {name} that f16 cannot hold: "
                "convert it without --half",
                path=weights.path,
            ) from None
    return halved


def _write(weights: Weights, tensors: Mapping[str, Tensor], path: Path, suffix: str) -> None:
    if suffix == ".onnx":
        write_inference_graph(weights, path, tensors)
    elif suffix == ".safetensors":
        notes = notes_to_write(weights.notes, weights.kind, weights.net)
        write_safetensors(tensors, path, {"format": "pt", **notes})
    else:
        _write_pth(tensors, path)


def write_inference_graph(
    weights: Weights,
    path: Path,
    tensors: Mapping[str, Tensor] | None = None,
    framing: Framing | None = None,
) -> None:
    """Write a GPEN generator or an upscaler as an ONNX file that every engine runs.

    Args:
        weights: The network.
        path: File to write; one that is there is replaced.
        tensors: Its tensors in another dtype.
        framing: The crops that a program will feed.

    Raises:
        WeightsError: It is something else.
    """
    if weights.upscaler is not None:
        plain = plain_layout(tensors or weights.tensors)
        notes = {name: note for name, note in weights.notes.items() if name != "format"}
        write_upscaler_graph(plain, weights.upscaler, path, notes)
        return
    if weights.net is None:
        raise WeightsError(
            f"{weights.path.name} is {weights.title}; "
            "only GPEN generators and upscalers become ONNX graphs",
            path=weights.path,
        )
    tensors = tensors or weights.tensors
    template = weights.notes.get(TEMPLATE_NOTE, "gpen")
    if framing not in (None, Framing(weights.net.size, template)):
        notes = {TEMPLATE_NOTE: framing.template}  # as a graph of another program, not as weights
        write_graph(tensors, weights.net, path, notes, framing=framing, template=template)
        return
    notes = notes_to_write(weights.notes, weights.kind, weights.net)
    notes[GRAPH_NOTE] = str(GRAPH_VERSION)
    write_graph(tensors, weights.net, path, notes)


def _write_pth(tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("Writing .pth files", extra="torch") from None
    state = {}
    for name, tensor in tensors.items():
        bits = torch.from_numpy(np.array(tensor.bits, order="C"))
        state[name] = bits.view(torch.bfloat16) if tensor.dtype == "bf16" else bits
    torch.save(state, path)
