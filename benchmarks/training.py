"""Speed and memory of training, into benchmarks/results/training.json.

    python benchmarks/training.py [--compile] [--size 256]

A step is what `gpen train` does with images at hand: generator and discriminator, L1 beside the
adversarial loss and feature matching, and R1 at every 16th step, in its share. "default" is the
network of configs/default.toml at any size, "published" has the published widths. Every row is a
process of its own; its peak memory holds Python and torch too. Images are noise, batches small:
larger ones are a little faster for each image. `--compile` adds the default network at 256 px as
torch compiles it, which takes minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from report import machine, write_results

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default.toml"
SIZES = (256, 512, 1024)
#: Of the default network, from the config; and the published ones.
WIDTHS = {"default": (1.0, 0.25), "published": (2.0, 1.0)}
#: Left out on a CPU, where each takes minutes.
SLOW = {("published", 512, "f32"), ("published", 1024, "f32"), ("published", 1024, "bf16")}
#: Timed steps without R1: as many as fit, but one at least.
MOST_STEPS, ENOUGH_S = 5, 4.0
#: Of a row; torch compiles for minutes.
LIMIT_S, COMPILING_S = 75, 900


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Train a few steps in this process."""
    import torch

    from gpen.training.batches import Batch
    from gpen.training.perceptual_losses import PerceptualLosses
    from gpen.training.processes import Processes
    from gpen.training.trainer import Trainer

    config, processes = settings(case), Processes(case["device"])
    trainer = Trainer(config, PerceptualLosses(), processes)
    side, count = case["size"], case["batch"]
    truth = torch.rand(count, 3, side, side) * 2 - 1
    points = torch.rand(count, 5, 2) * side
    batch = Batch.of_sharp_faces(truth * 0.9, truth, points, torch.ones(count)).to(processes.device)

    def step(number: int) -> float:
        """Seconds of the step of this number."""
        trainer.step = number
        started = time.perf_counter()
        trainer.train_step([batch])  # returns numbers, and so has waited for the device
        return time.perf_counter() - started

    step(0)  # allocates, compiles
    seconds = [step(1)]
    while len(seconds) < MOST_STEPS and sum(seconds) < ENOUGH_S:
        seconds.append(step(1))
    plain, penalised = statistics.median(seconds), step(0)
    mean = plain + (penalised - plain) / config.loss.r1_every
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if processes.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    return {
        "images/s": round(count / mean, 3),
        "step s": round(plain, 3),
        "step with R1 s": round(penalised, 3),
        "peak MiB": round(peak),
    }


def settings(case: dict[str, Any]) -> Any:
    """The default config with the network of a case."""
    from gpen.training.config_file import load_config

    multiplier, narrow = WIDTHS[case["network"]]
    widths = [
        f"{part}.{key}={value}"
        for part in ("network", "discriminator")
        for key, value in (("channel_multiplier", multiplier), ("narrow", narrow))
    ]
    overrides = (
        f"network.size={case['size']}",
        "network.pass_through=false",  # changes first weights only; too wide for 1024 px
        f"optimiser.batch={case['batch']}",
        "discriminator.group=0",
        f"precision={case['precision']}",
        f"device={case['device']}",
        f"compile={str(case['compiled']).lower()}",
        "stages=[{steps=100}]",
    )
    return load_config(CONFIG, [*overrides, *widths])


def cases(*, compiled: bool, sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """What is measured, as the beginnings of rows."""
    import torch

    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    for device, network, size, precision in product(devices, WIDTHS, sizes, ("f32", "bf16")):
        case = {
            "device": device,
            "network": network,
            "size": size,
            "precision": precision,
            "batch": 2 if network == "default" and size < 1024 else 1,
            "compiled": False,
        }
        yield case
        if compiled and (network, size) == ("default", 256):
            yield case | {"compiled": True}


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Measure a case in a process of its own."""
    if case["device"] == "cpu" and (case["network"], case["size"], case["precision"]) in SLOW:
        return case | {"images/s": "not measured: takes minutes"}
    limit = COMPILING_S if case["compiled"] else LIMIT_S
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--only", json.dumps(case)],
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return case | {"images/s": f"not measured: over {limit} s"}
    if done.returncode:
        return case | {"images/s": f"failed: {done.stderr.strip().splitlines()[-1]}"}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return case | figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--compile", action="store_true", help="also measure compiled networks")
    parser.add_argument("--size", type=int, action="append", help="only this side; repeat it")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(json.loads(options.only))))
        return
    import torch

    environment = machine() | {"torch": torch.__version__}
    sizes = tuple(options.size or SIZES)
    rows = [run(case) for case in cases(compiled=options.compile, sizes=sizes)]
    if not torch.cuda.is_available():
        rows.append({"device": "cuda", "images/s": "not measured: no GPU at hand"})
    write_results("training", {"machine": environment, "rows": rows}, rows)


if __name__ == "__main__":
    main()
