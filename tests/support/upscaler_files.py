"""Weight files of small upscalers with random weights, in every published layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper

from gpen.networks.upscalers import RRDBNet, SRVGGNetCompact


def small_rrdb(steps: int = 2, block: int = 1, depth: int = 1, seed: int = 0) -> RRDBNet:
    return _filled(RRDBNet(steps, 8, depth, 4, block), seed)


def small_compact(factor: int = 4, depth: int = 2, seed: int = 0) -> SRVGGNetCompact:
    return _filled(SRVGGNetCompact(factor, 8, depth), seed)


def _filled(network: Any, seed: int) -> Any:
    """Weights whose answer uses the whole range of levels."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in network.parameters():
            spread = 0.6 * values[0].numel() ** -0.5 if values.dim() == 4 else 0.1
            values.copy_(torch.randn(values.shape, generator=generator) * spread)
        list(network.parameters())[-1].fill_(0.4)  # the bias of the last convolution
    return network.eval()


def save(network: torch.nn.Module, path: Path, layout: str = "new") -> Path:
    state = {rename(name, network, layout): value for name, value in network.state_dict().items()}
    torch.save({"params_ema": state} if layout == "new" else state, path)
    return path


def rename(name: str, network: Any, layout: str) -> str:
    """A tensor's name in another layout of ESRGAN."""
    if layout == "new":
        return name
    last = len(network.body)
    if layout == "middle":
        name = re.sub(r"^body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", name)
        name = name.replace("conv_body", "trunk_conv").replace("conv_hr", "HRconv")
        return name.replace("conv_up", "upconv")
    name = re.sub(r"^body\.(\d+)\.rdb(\d)\.conv(\d)", r"model.1.sub.\1.RDB\2.conv\3.0", name)
    steps = network.steps
    numbers = {"conv_first": 0, "conv_hr": 2 + 3 * steps, "conv_last": 4 + 3 * steps}
    numbers |= {f"conv_up{step}": 3 * step for step in range(1, steps + 1)}
    name = name.replace("conv_body", f"model.1.sub.{last}")
    for known, number in numbers.items():
        name = re.sub(rf"^{known}\.", f"model.{number}.", name)
    return name


def save_enlarging_graph(
    path: Path, factor: float, side: int | str = "S", *, out: bool = True
) -> Path:
    """An ONNX file that enlarges by nearest neighbour, of one size or of any."""
    make = helper.make_tensor_value_info
    large: Any = int(side * factor) if isinstance(side, int) and out else "L"
    graph = helper.make_graph(
        [helper.make_node("Resize", ["image", "", "scales"], ["large"], mode="nearest",
                          coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
        "graph",
        [make("image", TensorProto.FLOAT, [1, 3, side, side])],
        [make("large", TensorProto.FLOAT, [1, 3, large, large])],
        [helper.make_tensor("scales", TensorProto.FLOAT, [4], [1.0, 1.0, factor, factor])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path
