"""Writes the network as an ONNX file that takes crops of any side."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from gpen.networks.reliability import ReliabilityNet

OPSET = 17


def export_onnx(net: ReliabilityNet, target: Path) -> None:
    """Write a network: `input` (n, 3, s, s) → `output` (n, 2, bands, s / 16, s / 16)."""
    axes = {"input": {0: "n", 2: "h", 3: "w"}, "output": {0: "n", 3: "rows", 4: "columns"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of itself
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, 256, 256),),
            str(target),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
