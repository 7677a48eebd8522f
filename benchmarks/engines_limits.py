"""What the processor itself can do: the best of several libraries, as GFLOP/s and GB/s.

python benchmarks/engines_limits.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from report import timed

_SIDE, _RUNS = 2048, 5
_COPIED = 1 << 28
_FEATURES = ("fma", "f16c", "avx", "amx", "neon", "asimd", "sve", "bf16", "i8mm")


def cpu_features() -> list[str]:
    """The instruction sets that decide how fast a network runs; empty where Linux is not."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    flags = next((x.split(":")[1] for x in lines if x.startswith(("flags", "Features"))), "")
    return sorted(flag for flag in flags.split() if flag.startswith(_FEATURES))


def threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_cuda() -> bool:
    """Whether torch finds a GPU of NVIDIA."""
    import torch

    return torch.cuda.is_available()


def limits() -> dict[str, Any]:
    """Matrix products of 2048 × 2048 in f32 and bf16, and copying 1 GiB, at their best."""
    found: dict[str, Any] = {}
    operations = 2 * _SIDE**3
    for precision in ("f32", "bf16"):
        rates = {
            name: round(operations / min(timed(work, _RUNS)) / 1e9, 1)
            for name, work in _products(precision).items()
        }
        best = max(rates, key=lambda name: rates[name])
        found[f"gflops_{precision}"], found[f"gflops_{precision}_by"] = rates[best], best
    found["copy_gb_s"] = _copy_rate()
    return found


def _products(precision: str) -> dict[str, Callable[[], object]]:
    """A matrix product by each library that has this precision."""
    import torch

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(_SIDE, _SIDE).to(dtype) for _ in range(2))
    products = {"torch": lambda: a @ b, "openvino": _openvino_product(precision)}
    if precision == "f32":
        first, second = a.numpy(), b.numpy()
        products["numpy"] = lambda: first @ second
    return products


def _openvino_product(precision: str) -> Callable[[], object]:
    from gpen.engines.openvino import load_openvino

    openvino = load_openvino()
    ops = openvino.opset13
    values = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), np.float32)
    given = ops.parameter([_SIDE, _SIDE], np.float32)
    model = openvino.Model([ops.matmul(given, ops.constant(values), False, False)], [given])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer([values], share_inputs=True, share_outputs=True)


def _copy_rate() -> float:
    """GB/s of reading and writing memory with all threads."""
    import torch

    source = torch.ones(_COPIED)
    target = torch.empty_like(source)
    seconds = min(timed(lambda: target.copy_(source), 3))
    return round(2 * source.nbytes / seconds / 1e9, 1)


if __name__ == "__main__":
    print(json.dumps(limits()))
