"""What int8 would save and cost: a trial, into results/int8.json.

    python benchmarks/int8.py --crops FOLDER [--model NAME] [--runs 10]

Convolutions with more than 16 inputs and 3 outputs get int8 weights, scaled by output channel, and
int8 inputs, scaled by one number: the largest that calibration images brought there. Those are
other faces of the folder, or one portrait, or noise; what comes out is compared with f32 on faces
that calibrated nothing. `docs/adr/0009-fewer-multiplications.md` says why gpen has no int8.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines_compare import psnr
from engines_prepare import load_pictures
from gpen.engines.graph_cache import inference_graph
from gpen.engines.openvino import load_openvino
from gpen.models import find_model
from report import machine, write_results

openvino = load_openvino()
core, ops = openvino.Core(), openvino.opset13
_KINDS = ("Convolution", "ConvolutionBackpropData")


def opened(model: Any, precision: str) -> Any:
    """What runs a model."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    return core.compile_model(model, "CPU", settings).create_infer_request()


def convolutions(model: Any) -> list[Any]:
    """Those worth quantising."""
    return [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() in _KINDS
        and node.get_input_shape(0)[1] > 16
        and node.get_output_shape(0)[1] > 3
    ]


def input_ranges(graph: str, images: NDArray[np.float32]) -> list[float]:
    """The largest value at the input of each convolution."""
    model = core.read_model(graph)
    model.add_outputs([node.input_value(0) for node in convolutions(model)])
    request = opened(model, "f32")
    largest = []
    for image in images:
        _, *inputs = request.infer([image[None]]).values()
        largest.append([float(np.abs(values).max()) for values in inputs])
    return [max(column) for column in zip(*largest, strict=True)]


def quantised(graph: str, ranges: list[float]) -> Any:
    """The model with int8 convolutions."""
    model = core.read_model(graph)
    for node, largest in zip(convolutions(model), ranges, strict=True):
        low, high = np.float32(-largest), np.float32(largest * 127 / 128)
        inputs = ops.fake_quantize(node.input_value(0), low, high, low, high, 256)
        node.input(0).replace_source_output(inputs.output(0))
        axes = (1, 2, 3) if node.get_type_name() == "Convolution" else (0, 2, 3)
        weight = _values(node.input_value(1))
        most = np.abs(weight).max(axis=axes, keepdims=True) + np.float32(1e-12)
        weights = ops.fake_quantize(ops.constant(weight), -most, most, -most, most, 255)
        node.input(1).replace_source_output(weights.output(0))
    return model


def _values(source: Any) -> NDArray[np.float32]:
    """What a stored tensor, or one computed from such, holds."""
    constant = openvino.Model([ops.result(source)], [])
    values: NDArray[np.float32] = opened(constant, "f32").infer()[0].copy()
    return values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crops", required=True, help="folder of aligned .jpg crops")
    parser.add_argument("--model", default="gpen-default-256")
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    about, model = machine(), find_model(options.model)
    graph, size = str(inference_graph(model)), model.in_size
    assert size
    faces = load_pictures(options.crops, size, 32)
    judged, others = faces[::2], faces[1::2]
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 3, size, size)).astype(np.float32)
    networks = {name: opened(core.read_model(graph), name) for name in ("f32", "bf16")}
    by = {"faces": others, "a portrait": load_pictures("", size, 1), "noise": noise}
    for name, images in by.items():
        made = quantised(graph, input_ranges(graph, images))
        networks[f"int8 by {name}, rest bf16"] = opened(made, "bf16")
    exact = np.concatenate([networks["f32"].infer([face[None]])[0] for face in judged])
    rows = [_row(name, request, judged, exact, options.runs) for name, request in networks.items()]
    write_results("int8", {"machine": about, "model": options.model, "rows": rows}, rows)


def _row(
    name: str,
    request: Any,
    faces: NDArray[np.float32],
    exact: NDArray[np.float32],
    runs: int,
) -> dict[str, Any]:
    """Faithfulness to f32 and the least times of all runs."""
    values = psnr(np.concatenate([request.infer([face[None]])[0] for face in faces]), exact)
    times = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        request.infer([faces[:1]])
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall_ms, cpu_ms = (round(1e3 * min(column), 1) for column in zip(*times, strict=True))
    mean, lowest = round(float(np.mean(values)), 1), round(min(values), 1)
    return {"arithmetic": name, "ms": wall_ms, "cpu ms": cpu_ms, "psnr_db": mean, "lowest": lowest}


if __name__ == "__main__":
    main()
