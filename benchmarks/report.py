"""What every benchmark shares: the machine, timing, JSON and Markdown results."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores and versions: what a figure is worth nothing without."""
    import numpy as np

    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "openvino": version("openvino"),
    }


def timed(work: Callable[[], object], runs: int, warmup: int = 1) -> list[float]:
    """Seconds of each run, after `warmup` runs that do not count."""
    for _ in range(warmup):
        work()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def median_spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and the span between the slowest and the fastest run."""
    return {
        "median_s": round(statistics.median(seconds), 4),
        "spread_s": round(max(seconds) - min(seconds), 4),
    }


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(row.get(head, "")) for head in heads) + " |" for row in rows]
    return "\n".join(lines)


def write_results(name: str, data: dict[str, Any], table: Sequence[dict[str, Any]]) -> None:
    """Write results/NAME.json and results/NAME.md, and show the table."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(data, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    write_table(name, table)


def write_table(name: str, table: Sequence[dict[str, Any]]) -> None:
    """Write results/NAME.md, and show it."""
    (RESULTS / f"{name}.md").write_text(markdown(table) + "\n", encoding="utf-8")
    print(markdown(table))
