"""Recognises the weight files of metrics by their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import SettingsError, WeightsError
from ..models import Weights, load_weights, read_onnx
from ..models.load import SUFFIXES

#: First convolutions (outputs, inputs, height, width) of the backbones of LPIPS, and the width of
#: the second head, which tells whose heads they are.
_ALEXNET, _VGG = (64, 3, 11, 11), (64, 3, 3, 3)
_SECOND_HEAD = {"squeezenet": (128, 7), "alexnet": (192, 5), "vgg16": (128, 5)}


@dataclass(frozen=True, slots=True)
class MetricFiles:
    """Paths of the weight files of metrics; None where there is none.

    Attributes:
        lpips_backbone: SqueezeNet 1.1, AlexNet or VGG-16.
        lpips_heads: LPIPS v0.1 heads for that backbone.
        identity: A network that turns faces into vectors: IR-SE50, MobileFaceNet or ONNX.
        features: A network for FID and KID: RetinaFace, a face network, or image → vector ONNX.
    """

    lpips_backbone: Path | None = None
    lpips_heads: Path | None = None
    identity: Path | None = None
    features: Path | None = None


def find_metric_files(folder: Path, given: MetricFiles | None = None) -> MetricFiles:
    """Fill in what is not given from a folder and its subfolders.

    Files that are no weights, or weights of something else, are passed over. Of several files of
    one kind the first by name is taken; heads are those that fit the backbone. FID and KID take a
    RetinaFace before the identity network, so that they differ from identity.

    Args:
        folder: Where to look.
        given: What is known already.

    Raises:
        SettingsError: There is no such folder.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder; expected one with weight files of metrics")
    files = given or MetricFiles()
    found = dict[str, list[Path]]()
    for path, kind in _kinds(folder):
        found.setdefault(kind, []).append(path)
    backbones = [name for name in _SECOND_HEAD if name in found]
    if files.lpips_backbone is None and files.lpips_heads is None:
        fitting = [name for name in backbones if f"{name} heads" in found]
        if fitting:
            files = replace(
                files,
                lpips_backbone=found[fitting[0]][0],
                lpips_heads=found[f"{fitting[0]} heads"][0],
            )
        elif backbones:
            files = replace(files, lpips_backbone=found[backbones[0]][0])
    identity = files.identity or next(iter(found.get("identity", [])), None)
    features = files.features or next(iter(found.get("retinaface", [])), None) or identity
    return replace(files, identity=identity, features=features)


def kind_of(weights: Weights) -> str | None:
    """What a weight file is to the metrics.

    Returns:
        "squeezenet", "alexnet", "vgg16"; the same with " heads"; "identity"; "retinaface"; or None.
    """
    tensors = weights.tensors
    if weights.kind == "retinaface":
        return "retinaface"
    if weights.kind == "lpips":
        second = tensors["lin1.model.1.weight"].shape[1] if "lin1.model.1.weight" in tensors else 0
        mark = second, sum(name.startswith("lin") for name in tensors)
        return next((f"{name} heads" for name, m in _SECOND_HEAD.items() if m == mark), None)
    if weights.kind == "arcface" or {"dw_conv1.conv.weight", "linear7.conv.weight"} <= set(tensors):
        return "identity"
    if "fire2.squeeze1x1.weight" in tensors:
        return "squeezenet"
    first = tuple(tensors["features.0.weight"].shape) if "features.0.weight" in tensors else ()
    if first == _ALEXNET:
        return "alexnet"
    # The last convolution of VGG-16; VGG-19 goes on to features.34.
    is_vgg16 = "features.28.weight" in tensors and "features.34.weight" not in tensors
    return "vgg16" if first == _VGG and is_vgg16 else None


def _kinds(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every weight file of the metrics below a folder, in the order of names."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        try:
            kind = _onnx_kind(path) if path.suffix.lower() == ".onnx" else None
            kind = kind or kind_of(load_weights(path))
        except WeightsError:
            continue
        if kind is not None:
            yield path, kind


def _onnx_kind(path: Path) -> str | None:
    """What a graph is to the metrics: one from a face of 112 pixels to a vector tells identity."""
    file = read_onnx(path)
    if len(file.inputs) != 1 or len(file.outputs) != 1:
        return None
    taken, given = file.inputs[0][2], file.outputs[0][2]
    return "identity" if taken[1:3] == (3, 112) and len(given) == 2 else None
