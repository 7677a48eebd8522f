"""Speed, memory and faithfulness of every engine, into benchmarks/results/engines.json.

    python benchmarks/engines.py [--crops FOLDER]
    python benchmarks/engines.py --sizes 512 --engines ort-peer openvino --runs 3

Compared are networks of published widths with random weights at four sizes, and the default
model. "torch-naive" computes as the public code does, with convolution weights made for every
sample; "ort-peer" is that same graph, exported by torch, in ONNX Runtime. Each engine and
precision has a process of its own, so that its peak memory is its own; the processes take turns,
so that whatever else the machine does meets all alike. The first run of each is its warm-up.

In a row of the results, `ratio_to_ort_peer` says how many times as fast as the peer it is;
`max_abs_diff` (of values in [-1, 1]) and `psnr_db` (8-bit colour, mean of the images) compare
with torch-naive; `share_of_limit` is what our graph multiplies and adds per second, over what the
best matrix product in that precision does in the same run; where an engine takes a shorter way
(`gpen.engines.winograd`), it counts as if it had gone the long one and may pass 1. Peak memory
includes compiling the graph, for nothing compiled is kept from before. All take about 12 minutes
on two cores and 16 GB of memory. A run of some sizes or engines is shown, and replaces no results.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engines_compare import NAIVE, PEER, Variant, measure, named, put_beside
from engines_limits import cpu_features, has_cuda, threads
from report import machine, markdown, write_results, write_table

SIZES = (256, 512, 1024, 2048)
DEFAULT_MODEL = "gpen-default-256"
VARIANTS: tuple[Variant, ...] = (
    NAIVE,
    PEER,
    ("openvino", "f32", "cpu"),
    ("openvino", "bf16", "cpu"),
    ("openvino", "f16", "cpu"),
    ("onnxruntime", "f32", "cpu"),
    ("torch", "f32", "cpu"),
    ("torch", "bf16", "cpu"),
    ("torch-naive", "f32", "cuda"),
    ("torch", "f32", "cuda"),
    ("torch", "bf16", "cuda"),
    ("torch", "f16", "cuda"),
)
ENGINES = tuple(dict.fromkeys(engine for engine, _, _ in VARIANTS))
NO_GPU = "not measured: no GPU"
#: Columns of the README's table.
SHORT = {
    "naive torch": NAIVE[:2],
    "ONNX Runtime, as peers run it": PEER[:2],
    "gpen f32": ("openvino", "f32"),
    "gpen bf16": ("openvino", "bf16"),
}
#: Keys that every row of the results has; null is what could not be measured.
FIGURES = (
    *("median_s", "spread_s", "peak_rss_mib", "max_abs_diff", "psnr_db"),
    *("ratio_to_ort_peer", "share_of_limit"),
)


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as the documents show them; a GPU that is not there takes one line per engine."""
    lines = []
    for row in rows:
        absent = row.get("failed") == NO_GPU
        if absent and row["size"] != SIZES[0]:
            continue
        line = {
            "network": "all" if absent else f"{row['model']}, {row['size']} px",
            **{key: row[key] for key in ("engine", "precision", "device")},
            "seconds": row.get("failed") or row["median_s"],
            "spread": row["spread_s"],
            "× ort-peer": row["ratio_to_ort_peer"],
            "peak MiB": row["peak_rss_mib"],
            "max diff": row["max_abs_diff"],
            "PSNR dB": row["psnr_db"],
            "share of limit": row["share_of_limit"],
        }
        lines.append({head: "" if value is None else value for head, value in line.items()})
    return lines


def short_table(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For the README: each network in a row, seconds and times as fast as the peer."""
    lines = []
    for size, model in dict.fromkeys((row["size"], row["model"]) for row in rows):
        found = {
            (row["engine"], row["precision"]): row
            for row in rows
            if (row["size"], row["model"]) == (size, model)
            and row["device"] == "cpu"
            and row["median_s"] is not None
        }
        line: dict[str, Any] = {"network": f"{model}, {size} px"}
        for head, key in SHORT.items():
            row = found.get(key)
            line[head] = "" if row is None else f"{row['median_s']:.3g} s"
            if row is not None and key != SHORT["ONNX Runtime, as peers run it"]:
                line[head] += f" ({row['ratio_to_ort_peer']:.2g}×, {row['peak_rss_mib']:.0f} MiB)"
        lines.append(line)
    return lines


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = f"of random networks; left out: all, and {DEFAULT_MODEL}"
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, help=sizes)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--runs", type=int, default=7, help="of each engine, at most")
    seconds = "after as many an engine runs no more (but twice always)"
    parser.add_argument("--seconds", type=float, default=10, help=seconds)
    parser.add_argument("--crops", default="", help=f"aligned .jpg crops for {DEFAULT_MODEL}")
    options = parser.parse_args()
    if options.crops and not any(Path(options.crops).glob("*.jpg")):
        parser.error(f"{options.crops} has no .jpg files; expected a folder of aligned face crops")
    return options


def main() -> None:
    options = parse()
    chosen = [variant for variant in VARIANTS if variant[0] in options.engines]
    devices = ("cpu", "cuda") if has_cuda() else ("cpu",)
    limits_script = str(Path(__file__).with_name("engines_limits.py"))
    limits = json.loads(subprocess.check_output([sys.executable, limits_script]))
    about = {**machine(), "threads": threads(), "cpu_features": cpu_features(), "limits": limits}
    print(json.dumps(about), flush=True)
    rows: list[dict[str, Any]] = []
    for subject in map(str, options.sizes or (*SIZES, DEFAULT_MODEL)):
        found = measure(
            subject,
            [variant for variant in chosen if variant[2] in devices],
            crops=options.crops,
            runs=options.runs,
            seconds=options.seconds,
        )
        put_beside(found, limits)
        absent = [variant for variant in chosen if variant[2] not in devices]
        place = {key: found[0][key] for key in ("model", "size", "batch", "gmacs")}
        found += [{**named(variant), **place, "failed": NO_GPU} for variant in absent]
        rows += [{**row, **{key: row.get(key) for key in FIGURES}} for row in found]
        print(markdown(table(rows[-len(found) :])), flush=True)
    if not options.sizes and len(chosen) == len(VARIANTS):
        write_results("engines", {"machine": about, "rows": rows}, table(rows))
        write_table("engines-short", short_table(rows))


if __name__ == "__main__":
    main()
