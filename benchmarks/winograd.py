"""What Winograd's convolutions save, by layer and by network, into results/winograd.json.

    python benchmarks/winograd.py [--sizes 256 512 1024 2048] [--runs 5]

Layers are those of a network of published widths; each is run as OpenVINO's plain convolution and
as `gpen.engines.winograd` writes it, in f32 and bf16. Networks have random weights and are run in
f32. Both ways take turns in one process. The figures are the least wall and processor times of all
runs, because other programs only add to them; `error` is the largest difference to the plain
convolution in f32, over the largest value. A run of some sizes is shown, and replaces no results.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from engines_prepare import load_pictures, random_network
from gpen.engines import winograd
from gpen.engines.graph_cache import inference_graph
from gpen.engines.openvino import load_openvino
from gpen.models import find_model
from report import machine, markdown, write_results

#: Inputs, outputs and side of the convolutions that take most of the time.
LAYERS = ((1024, 512, 32), (1024, 512, 64), (512, 256, 128), (256, 128, 256), (128, 64, 512))
SIZES = (256, 512, 1024, 2048)
openvino = load_openvino()
core, ops = openvino.Core(), openvino.opset13


def layer(inputs: int, outputs: int, side: int) -> Any:
    """One convolution between two other operations, as in a network."""
    kernels = np.random.default_rng(0).standard_normal((outputs, inputs, 3, 3), np.float32)
    image = ops.parameter([1, inputs, side, side], np.float32)
    pads = [1, 1]
    output = ops.convolution(ops.relu(image), kernels, [1, 1], pads, pads, [1, 1])
    return openvino.Model([ops.relu(output)], [image])


def opened(model: Any, precision: str) -> Any:
    """What runs a model."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    return core.compile_model(model, "CPU", settings).create_infer_request()


def both_ways(make: Callable[[], Any], precision: str) -> dict[str, Any]:
    """What runs a model plainly, and with Winograd's convolutions."""
    fewer = make()
    winograd.use_winograd(fewer, openvino)
    return {"plain": opened(make(), precision), "winograd": opened(fewer, precision)}


def compare(place: dict[str, Any], ways: dict[str, Any], exact: Any, runs: int) -> dict[str, Any]:
    """The row of a layer or network; `exact` is what runs it plainly in f32."""
    port = exact.model_inputs[0]
    image = np.random.default_rng(1).uniform(-1, 1, port.shape).astype(np.float32)
    output = exact.infer([image])[0].copy()
    row = dict(place)
    for name, request in ways.items():
        error = np.abs(request.infer([image])[0] - output).max() / np.abs(output).max()
        row[f"{name} error"] = float(f"{error:.1g}")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, request in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            request.infer([image])
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    for kind, key in enumerate(("ms", "cpu ms")):
        for name in ways:
            row[f"{name} {key}"] = round(1e3 * min(run[kind] for run in times[name]), 1)
    row["times as fast"] = round(row["plain cpu ms"] / row["winograd cpu ms"], 2)
    return row


def layer_rows(runs: int) -> list[dict[str, Any]]:
    """Every layer in both precisions; also those that a network leaves as they are."""
    rows = []
    with mock.patch.multiple(winograd, MIN_INPUTS=0, MIN_OUTPUTS=0):
        for shape in LAYERS:
            exact = opened(layer(*shape), "f32")
            for precision in ("f32", "bf16"):
                ways = both_ways(partial(layer, *shape), precision)
                inputs, outputs, side = shape
                place = {"what": f"{inputs} → {outputs} at {side} px", "precision": precision}
                rows.append(compare(place, ways, exact, runs))
    return rows


def network_row(size: int, runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        random_network(size, load_pictures("", size, 1)[0], path)
        with mock.patch.dict("os.environ", {"GPEN_CACHE_DIR": folder}):
            graph = inference_graph(find_model(path))
        ways = both_ways(lambda: core.read_model(str(graph)), "f32")
        place = {"what": f"network of {size} px", "precision": "f32"}
        return compare(place, ways, ways["plain"], runs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", choices=SIZES, default=SIZES)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    about = machine()
    rows = layer_rows(options.runs)
    rows += [network_row(size, options.runs) for size in options.sizes]
    if tuple(options.sizes) == SIZES:
        write_results("winograd", {"machine": about, "rows": rows}, rows)
    else:
        print(markdown(rows))


if __name__ == "__main__":
    main()
