"""Speed, memory and faithfulness of the engines, into benchmarks/results/engines.json.

    python benchmarks/engines.py MODEL [--crops FOLDER] [--runs 5]

Each engine and precision runs in a process of its own, so that its peak memory is its own. The
first process of all makes the cached graph from a .pth or .safetensors; "open" is the time after
that. Faithfulness is PSNR in 8-bit colour against f32, on crops of FOLDER shrunk to a quarter and
back; without a folder it is not measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from report import machine, median_spread, timed, write_results

VARIANTS = (
    ("openvino", "f32"),
    ("openvino", "bf16"),
    ("openvino", "f16"),
    ("onnxruntime", "f32"),
    ("torch", "f32"),
    ("torch", "bf16"),
)


def measure(options: argparse.Namespace) -> None:
    """Measure one variant in this process and print the figures as JSON."""
    engine, precision, out = options.only
    import resource

    from gpen.engines import open_engine
    from gpen.weights import find_model

    started = time.perf_counter()
    network = open_engine(
        find_model(options.model), engine=engine, device="cpu", precision=precision
    )
    opened = time.perf_counter()
    batch = np.zeros((1, 3, network.in_size, network.in_size), np.float32)
    network.run(batch)
    first = time.perf_counter()
    row: dict[str, Any] = {
        "open_s": round(opened - started, 2),
        "first_crop_s": round(first - opened, 2),
        **median_spread(timed(lambda: network.run(batch), options.runs)),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    if options.crops:
        damaged = load_crops(options.crops, network.in_size)
        np.save(out, np.concatenate([network.run(crop[None]) for crop in damaged]))
    print(json.dumps(row))


def load_crops(folder: str, size: int, count: int = 12) -> list[Any]:
    """Damaged face crops as the network takes them."""
    import cv2
    import PIL.Image

    crops, paths = [], sorted(Path(folder).glob("*.jpg"))
    for path in paths[:: max(1, len(paths) // count)]:
        picture = np.asarray(PIL.Image.open(path).convert("RGB"))
        small = cv2.resize(picture, (size // 4, size // 4), interpolation=cv2.INTER_AREA)
        damaged = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
        crops.append(damaged.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)
    return crops


def psnr(answer: Any, exact: Any) -> tuple[float, float]:
    """Mean and lowest PSNR of pictures in 8-bit colour."""
    first, second = (np.rint((np.clip(x, -1, 1) + 1) * 127.5) for x in (answer, exact))
    errors = np.square(first - second).mean(axis=(1, 2, 3))
    values = 10 * np.log10(255**2 / np.maximum(errors, 1e-9))
    return round(float(values.mean()), 1), round(float(values.min()), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name or path of the weights")
    parser.add_argument("--crops", default="", help="folder of aligned .jpg crops")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs=3, metavar=("ENGINE", "PRECISION", "OUT"))
    options = parser.parse_args()
    if options.only:
        measure(options)
        return
    rows, exact = [], None
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "answers.npy")
        command = [sys.executable, __file__, options.model, "--runs", str(options.runs)]
        command += ["--crops", options.crops] if options.crops else []
        for engine, precision in VARIANTS:
            result = subprocess.run(
                [*command, "--only", engine, precision, out],
                capture_output=True,
                text=True,
                check=False,
            )
            row: dict[str, Any] = {"engine": engine, "precision": precision}
            if result.returncode:
                row["failed"] = result.stderr.strip().splitlines()[-1]
            else:
                row |= json.loads(result.stdout.splitlines()[-1])
                if options.crops:
                    answers = np.load(out)
                    exact = answers if exact is None else exact
                    row["psnr_db"], row["lowest_db"] = psnr(answers, exact)
            rows.append(row)
    write_results("engines", {"machine": machine(), "model": options.model, "rows": rows}, rows)


if __name__ == "__main__":
    main()
