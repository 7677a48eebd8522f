"""Writes proposal network and refinement network as ONNX files that need no torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from gpen.models.load import KIND_NOTE
from gpen.networks.detector import CROP_SIZE, STRIDES, ProposalNetwork, RefinementNetwork

OPSET = 17
#: Tensors with fewer values stay in float32: nothing is gained.
SMALL = 64


def export_onnx(net: ProposalNetwork | RefinementNetwork, target: Path) -> None:
    """Write a network with its weights as float16; it computes in float32.

    The proposal network takes any height and width that are multiples of 32, the refinement network
    any number of crops.

    Args:
        net: Batch normalisation is folded into the convolutions.
        target: The file to write.
    """
    proposal = isinstance(net, ProposalNetwork)
    side = 64 if proposal else CROP_SIZE
    outputs = [f"stride_{stride}" for stride in STRIDES] if proposal else ["output"]
    axes: dict[str, dict[int, str]] = {"input": {0: "batch"}}
    if proposal:
        axes = {name: {2: f"height_{name}", 3: f"width_{name}"} for name in ["input", *outputs]}
    else:
        axes["output"] = {0: "batch"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of itself
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, side, side),),
            str(target),
            input_names=["input"],
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(target)
    store_as_half(model.graph)
    kind = "detector-finder" if proposal else "detector-refiner"
    model.metadata_props.append(onnx.StringStringEntryProto(key=KIND_NOTE, value=kind))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def store_as_half(graph: onnx.GraphProto) -> None:
    """Store large weights in float16, each followed by a cast to float32."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
