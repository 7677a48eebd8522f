"""Runs engines on one network, taking turns, and compares what they answered."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines_prepare import ABOUT
from engines_worker import answers_path
from report import median_spread

#: Engine, precision, device.
Variant = tuple[str, str, str]
NAIVE: Variant = ("torch-naive", "f32", "cpu")
PEER: Variant = ("ort-peer", "f32", "cpu")

_FEWEST_RUNS, _PAUSE_S = 2, 0.05
_HERE = Path(__file__).parent


def named(variant: Variant) -> dict[str, Any]:
    """The start of a variant's row."""
    return dict(zip(("engine", "precision", "device"), variant, strict=True))


class Worker:
    """One engine in a process of its own; see `engines_worker.py`.

    Attributes:
        row: What it told so far, or `failed` and why.
        seconds: Of each run.
    """

    def __init__(self, folder: Path, variant: Variant) -> None:
        self.row = named(variant)
        self.seconds: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "engines_worker.py"), str(folder), *variant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.row |= self._hear()

    @property
    def works(self) -> bool:
        """Whether it could be opened and runs."""
        return "failed" not in self.row

    def run(self) -> None:
        """One run of the network."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it was killed; what it said is heard next
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        output = self._hear()
        if "failed" in output:
            self.row |= output
        else:
            self.seconds.append(output["seconds"])

    def finish(self) -> dict[str, Any]:
        """End the process; returns the row."""
        with self._process as process:
            assert process.stdin
            with suppress(BrokenPipeError):
                process.stdin.close()
            if self.works:
                self.row |= self._hear()
        if self.works:
            self.row |= {**median_spread(self.seconds), "runs": len(self.seconds)}
        return self.row

    def _hear(self) -> dict[str, Any]:
        """The next answer; where the process ended instead, `failed` with its last words."""
        assert self._process.stdout
        assert self._process.stderr
        if line := self._process.stdout.readline():
            output: dict[str, Any] = json.loads(line)
            return output
        said = self._process.stderr.read().strip().splitlines()
        return {"failed": said[-1].rpartition("Error: ")[2] if said else "the process was killed"}


def measure(
    subject: str, variants: Sequence[Variant], *, crops: str, runs: int, seconds: float
) -> list[dict[str, Any]]:
    """The rows of one network.

    Args:
        subject: A size, for random weights, or the name of a model.
        variants: What to run.
        crops: Folder of face crops for a model; "" is one portrait.
        runs: How often, at most.
        seconds: After as many of its own an engine runs no more, but twice it always does.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GPEN_CACHE_DIR"] = str(folder / "cache")  # for all processes started below
        command = [sys.executable, str(_HERE / "engines_prepare.py"), name, subject]
        subprocess.run([*command, "--crops", crops], check=True)
        about = json.loads((folder / ABOUT).read_text())
        workers = [Worker(folder, variant) for variant in variants]
        for _ in range(runs):
            for worker in workers:
                fewest = len(worker.seconds) < _FEWEST_RUNS
                if worker.works and (fewest or sum(worker.seconds) < seconds):
                    worker.run()
                    time.sleep(_PAUSE_S)  # until threads of this one stop spinning
        rows = [worker.finish() | about for worker in workers]
        for row, variant in zip(rows, variants, strict=True):
            if "failed" not in row:
                row.update(_faithfulness(folder, variant))
    return rows


def _faithfulness(folder: Path, variant: Variant) -> dict[str, float]:
    """How close the outputs are to those of the reference; empty where that was not run."""
    if not answers_path(folder, *NAIVE).exists():
        return {}
    output, exact = (np.load(answers_path(folder, *v)) for v in (variant, NAIVE))
    values = psnr(output, exact)
    return {
        "max_abs_diff": float(f"{np.abs(output - exact).max():.2g}"),
        "psnr_db": round(statistics.fmean(values), 1),
        "lowest_db": round(min(values), 1),
    }


def psnr(output: NDArray[np.float32], exact: NDArray[np.float32]) -> list[float]:
    """PSNR of each image in 8-bit colour; 138.1 where all pixels are equal."""
    first, second = (np.rint((np.clip(x, -1, 1) + 1) * 127.5) for x in (output, exact))
    errors = np.square(first - second).mean(axis=(1, 2, 3))
    return [float(10 * np.log10(255**2 / max(error, 1e-9))) for error in errors]


def put_beside(rows: Sequence[dict[str, Any]], limits: dict[str, Any]) -> None:
    """Add to the rows of one network how fast they are beside the peer and the processor."""
    peer = next((row["median_s"] for row in rows if _ran(row, PEER)), None)
    for row in rows:
        if "median_s" not in row:
            continue
        if peer:
            row["ratio_to_ort_peer"] = round(peer / row["median_s"], 2)
        limit = limits.get(f"gflops_{row['precision']}")
        if limit and row["device"] == "cpu":
            row["share_of_limit"] = round(2 * row["gmacs"] / row["median_s"] / limit, 3)


def _ran(row: dict[str, Any], variant: Variant) -> bool:
    return named(variant).items() <= row.items() and "median_s" in row
