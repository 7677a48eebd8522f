"""One engine in a process of its own, timed on demand so that engines can take turns.

    python benchmarks/engines_worker.py FOLDER ENGINE PRECISION DEVICE

FOLDER is what `engines_prepare.py` made. Each output is a line of JSON: first what opening cost,
then, for each line of the input, the seconds of one run; at the end of the input the peak memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines_prepare import PEER, PICTURES, WEIGHTS, reference_module

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def answers_path(folder: Path, engine: str, precision: str, device: str) -> Path:
    """Where a worker leaves its outputs to the images."""
    return folder / f"answers-{engine}-{precision}-{device}.npy"


def open_variant(folder: Path, engine: str, precision: str, device: str) -> Run:
    """What restores a batch of one image."""
    if engine == "torch-naive":
        return _naive(folder, device)
    from gpen.engines import open_engine, open_graph

    if engine == "ort-peer":
        graph = open_graph(folder / PEER, engine="onnxruntime", device=device)
        return lambda batch: graph.run(batch)[0]
    from gpen.models import find_model

    model = find_model(folder / WEIGHTS)
    return open_engine(model, engine=engine, device=device, precision=precision).run


def _naive(folder: Path, device: str) -> Run:
    import torch

    module = reference_module(folder / WEIGHTS).to(device)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            output: NDArray[np.float32] = module(torch.from_numpy(batch).to(device)).cpu().numpy()
        return output

    return run


def peak_rss_mib() -> float | None:
    """The most memory this process ever had resident; None where the system does not say.

    Linux's `getrusage` would count the process that started this one, too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    if sys.platform == "darwin":
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    return None


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    folder, variant = Path(sys.argv[1]), sys.argv[2:5]
    started = time.perf_counter()
    engine, precision, device = variant
    run = open_variant(folder, engine, precision, device)
    opened = time.perf_counter()
    images = np.load(folder / PICTURES)
    first = run(images[:1])
    say(open_s=round(opened - started, 2), first_crop_s=round(time.perf_counter() - opened, 3))
    rest = [run(images[i : i + 1]) for i in range(1, len(images))]
    np.save(answers_path(folder, engine, precision, device), np.concatenate([first, *rest]))
    for _ in sys.stdin:
        started = time.perf_counter()
        run(images[:1])
        say(seconds=time.perf_counter() - started)
    say(peak_rss_mib=peak_rss_mib())


if __name__ == "__main__":
    main()
