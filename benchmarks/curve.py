"""The restorer's figures on held-out faces while it was trained, from the logs of its runs.

    python benchmarks/curve.py

Reads docs/training/restorer-*.jsonl, as `gpen train` wrote them, and writes
benchmarks/results/restorer-curve.md: the moving average's figures on 48 faces of `val`, damaged
by the run's own recipes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from report import write_table

LOGS = Path(__file__).resolve().parents[1] / "docs/training"
#: Rows of each part in the table.
SHOWN = 6


def rows(log: Path) -> list[dict[str, Any]]:
    """Evenly chosen evaluations of a run, the last one always."""
    lines = map(json.loads, log.read_text().splitlines())
    found = [line for line in lines if line["kind"] == "val"]
    every = max(1, -(-len(found) // SHOWN))
    chosen = found[::-1][::every][::-1]
    return [
        {
            "part": log.stem.removeprefix("restorer-"),
            "step": line["step"],
            "PSNR dB": round(line["psnr"], 2),
            "LPIPS-squeeze": round(line["lpips"], 4),
            "input's PSNR dB": round(line["input_psnr"], 2),
            "input's LPIPS": round(line["input_lpips"], 4),
        }
        for line in chosen
    ]


def main() -> None:
    write_table(
        "restorer-curve",
        [row for log in sorted(LOGS.glob("restorer-*.jsonl")) for row in rows(log)],
    )


if __name__ == "__main__":
    main()
