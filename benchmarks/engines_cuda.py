"""The engine torch on one GPU, into benchmarks/results/engines-cuda.json.

    python benchmarks/engines_cuda.py
    python benchmarks/engines_cuda.py --sizes 512 2048 --batches 1 4 16

For networks of published widths with random weights: milliseconds for a face by "naive" (the
reference module in f32, as the public code computes), "launched" (our network, kernel by kernel),
"graph" (the same as a CUDA graph) and "arrays" (`TorchEngine.run`: host arrays in and out, copies
included), each in f32, bf16 and f16 where it has the choice, and in batches. Then the choice that
only a GPU can settle, up to how many channels a blur is fused with its convolution, and a frame of
1920 × 1080 with one face: cut out, restored and pasted, by the CPU's functions and the GPU's.

Where there is no GPU the table says so. Takes about five minutes on one H100. `--device cpu` with
small sizes shows that the benchmark itself works; it replaces no results.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engines_prepare import load_pictures, random_network, reference_module
from gpen.align import align_face
from gpen.engines import torch_layers
from gpen.engines.torch import TorchEngine
from gpen.engines.torch_faces import DevicePhoto
from gpen.engines.torch_network import FastNetwork
from gpen.paste import Patch, paste_faces
from gpen.restoration import restore_crops
from gpen.weights import find_model, load_weights
from report import machine, write_results

NO_GPU = "not measured: no GPU"
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
WAYS = ("naive", "launched", "graph", "arrays")
FUSED = (0, 64, 128, 256, 512)
FRAME_WH, FACE_SHARE = (1920, 1080), 0.45
_SECONDS, _MOST, _WARM_UP = 1.0, 50, 3

Work = Callable[[], object]


def synchronise(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def milliseconds(work: Work, device: str) -> float:
    """Of one run: the median, after a warm-up in which graphs are recorded."""
    for _ in range(_WARM_UP):
        work()
    synchronise(device)
    found: list[float] = []
    while len(found) < 3 or (sum(found) < _SECONDS and len(found) < _MOST):
        started = time.perf_counter()
        work()
        synchronise(device)
        found.append(time.perf_counter() - started)
    return 1000 * statistics.median(found)


def prepared(path: Path, way: str, precision: str, pictures: Any, device: str) -> Work:
    """One run of a batch by one of the ways."""
    if way == "arrays":
        engine = TorchEngine(find_model(path), device=device, precision=precision)
        return lambda: engine.run(pictures)
    given = torch.from_numpy(pictures).to(device)
    if way == "naive":
        module = reference_module(path).to(device)
        return lambda: module(given)
    weights = load_weights(path)
    assert weights.net is not None
    place = torch.device(device)
    network = FastNetwork(weights.net, weights.tensors, place, DTYPES[precision])
    if way == "launched":
        return lambda: network(given)
    from gpen.engines.torch_cuda import CudaRunner

    replay = CudaRunner(network, place, weights.net.size).record(network, given)
    return lambda: replay(given)


def network_rows(
    path: Path, size: int, batches: list[int], device: str
) -> Iterator[dict[str, Any]]:
    """A row for each way, precision and batch of one network."""
    picture = load_pictures("", size, 1)
    for batch in batches:
        pictures = np.repeat(picture, batch, axis=0)
        naive: float | None = None
        for way in WAYS:
            for precision in ("f32",) if way == "naive" else tuple(DTYPES):
                row = {"size": size, "batch": batch, "way": way, "precision": precision}
                if way == "graph" and not device.startswith("cuda"):
                    yield row | {"ms_per_face": NO_GPU, "times_naive": ""}
                    continue
                try:
                    work = prepared(path, way, precision, pictures, device)
                    each = milliseconds(work, device) / batch
                except RuntimeError as error:  # the naive way needs most memory
                    yield row | {"ms_per_face": str(error).splitlines()[0], "times_naive": ""}
                    continue
                naive = each if way == "naive" else naive
                ratio = round(naive / each, 2) if naive else ""
                yield row | {"ms_per_face": round(each, 3), "times_naive": ratio}


def fusing_rows(path: Path, size: int, device: str) -> Iterator[dict[str, Any]]:
    """How fast the network is with blurs fused up to so many channels."""
    kind, pictures = torch.device(device).type, load_pictures("", size, 1)
    before = dict(torch_layers.FUSED_CHANNELS)
    for channels in FUSED:
        torch_layers.FUSED_CHANNELS[kind] = channels
        way = "graph" if kind == "cuda" else "launched"
        each = milliseconds(prepared(path, way, "f16", pictures, device), device)
        row = {"size": size, "batch": 1, "way": f"{way}, fused up to {channels}"}
        yield row | {"precision": "f16", "ms_per_face": round(each, 3), "times_naive": ""}
    torch_layers.FUSED_CHANNELS.clear()
    torch_layers.FUSED_CHANNELS.update(before)


def frame_rows(path: Path, size: int, device: str) -> Iterator[dict[str, Any]]:
    """A frame with one face, cut out, restored and pasted here or there."""
    engine = TorchEngine(find_model(path), device=device)
    random = np.random.default_rng(0)
    frame = random.integers(0, 256, (FRAME_WH[1], FRAME_WH[0], 3), dtype=np.uint8)
    side = FACE_SHARE * FRAME_WH[1]
    eyes_and_mouth = [(0.35, 0.4), (0.65, 0.4), (0.5, 0.6), (0.38, 0.75), (0.62, 0.75)]
    points_xy = np.array(eyes_and_mouth) * side + (600, 300)

    def restore(*, there: bool) -> None:
        photo = DevicePhoto(frame, device) if there else None
        crop = align_face(frame, points_xy, size=size, photo=photo)
        (answer,) = restore_crops([crop.pixels], engine)
        paste_faces(frame, [Patch(crop, answer)], photo=photo)

    for there in (False, True):
        each = milliseconds(lambda there=there: restore(there=there), device)  # type: ignore[misc]
        where = "the device" if there else "the CPU"
        row = {"size": size, "batch": 1, "way": f"1080p frame, aligned and pasted by {where}"}
        yield row | {"precision": engine.precision, "ms_per_face": round(each, 3)}


def not_measured(sizes: list[int], batches: list[int]) -> Iterator[dict[str, Any]]:
    """The table without a GPU."""
    for size in sizes:
        for batch in batches:
            row = {"size": size, "batch": batch, "way": ", ".join(WAYS)}
            yield row | {"precision": "f32, bf16, f16", "ms_per_face": NO_GPU, "times_naive": ""}


def measured(sizes: list[int], batches: list[int], device: str) -> Iterator[dict[str, Any]]:
    """All rows of all networks."""
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        for size in sizes:
            path = Path(name) / f"{size}.safetensors"
            random_network(size, load_pictures("", size, 1)[0], path)
            yield from network_rows(path, size, batches, device)
            yield from fusing_rows(path, size, device)
            yield from frame_rows(path, size, device)
            if device.startswith("cuda"):
                torch.cuda.empty_cache()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    absent = options.device.startswith("cuda") and not torch.cuda.is_available()
    rows: list[dict[str, Any]] = []
    for row in (
        not_measured(options.sizes, options.batches)
        if absent
        else measured(options.sizes, options.batches, options.device)
    ):
        rows.append({"times_naive": "", **row})
        print(row, flush=True)
    if options.device.startswith("cuda"):
        gpu = NO_GPU if absent else torch.cuda.get_device_name(options.device)
        about = {**machine(), "torch": torch.__version__, "gpu": gpu}
        heads = ("size", "batch", "way", "precision", "ms_per_face", "times_naive")
        table = [{head: row[head] for head in heads} for row in rows]
        write_results("engines-cuda", {"machine": about, "rows": rows}, table)


if __name__ == "__main__":
    main()
