"""Install size and start-up time, into benchmarks/results/startup.json.

    python benchmarks/startup.py [--install]

Goals: core install <= 450 MB, `import gpen` <= 0.2 s, `gpen --help` <= 0.4 s, and with a full
cache `gpen restore` of a photo <= 1.5 s at 256 px and <= 3 s at 512 px, where the network has
random weights. Times are whole processes, so Python's own start is included and given beside
them; processor seconds hardly depend on what else the machine does. `--install` makes a fresh
virtual environment and measures its site-packages without pip (a minute, needs the registry).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from engines_prepare import load_pictures, random_network
from report import machine, median_spread, timed, write_results

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import gpen": ["-c", "import gpen"],
    "gpen --version": ["-m", "gpen", "--version"],
    "gpen --help": ["-m", "gpen", "--help"],
    "gpen restore --help": ["-m", "gpen", "restore", "--help"],
}
RESTORE = ["-m", "gpen", "restore", str(ROOT / "examples/demo.jpg"), "--overwrite", "-o"]


def measure(name: str, arguments: list[str], runs: int, *, forget: Path | None = None) -> Any:
    """A row of the table: seconds of whole processes, after one that warms the disk cache.

    Args:
        name: What to call it.
        arguments: Of Python.
        runs: How many count.
        forget: Folder to remove before each run.
    """
    cpu_s: list[float] = []

    def work() -> None:
        if forget is not None:
            shutil.rmtree(forget, ignore_errors=True)
        before = _children_cpu_s()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        cpu_s.append(_children_cpu_s() - before)

    seconds = median_spread(timed(work, runs))
    return {"command": name, **seconds, "cpu_s": round(statistics.median(cpu_s[1:]), 4)}


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_restoring(folder: Path, runs: int) -> list[Any]:
    """Rows for the default model and for 512 px, with a full cache and with none."""
    weights = folder / "random-512.safetensors"
    random_network(512, load_pictures("", 512, 1)[0], weights)
    os.environ["GPEN_CACHE_DIR"] = str(folder / "cache")
    rows = []
    for name, options in (("", []), (", 512 px", ["--model", str(weights)])):
        command = [*RESTORE, str(folder / "out.jpg"), *options]
        rows.append(measure(f"gpen restore demo.jpg{name}", command, runs))
        first = measure(
            f"gpen restore demo.jpg{name}, empty cache", command, runs, forget=folder / "cache"
        )
        rows.append(first)
    return rows


def install_mib() -> dict[str, float]:
    """Size of what `pip install gpen` brings into an empty environment, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        site = next(Path(folder).glob("lib/python*/site-packages"))
        pip = [str(Path(folder) / "bin/pip"), "install", "--quiet"]
        before = _folder_mib(site)
        subprocess.run([*pip, str(ROOT)], check=True)
        sizes = {path.name: _folder_mib(path) for path in site.iterdir() if path.is_dir()}
        largest = dict(sorted(sizes.items(), key=lambda item: -item[1])[:8])
        return {"total": round(_folder_mib(site) - before, 1), **largest}


def _folder_mib(folder: Path) -> float:
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return round(n_bytes / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true", help="measure the install size too")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    started = machine()
    rows = [measure(name, arguments, options.runs) for name, arguments in COMMANDS.items()]
    with tempfile.TemporaryDirectory() as folder:
        rows += measure_restoring(Path(folder), options.runs)
    data = {"machine": started, "rows": rows}
    write_results("startup", data, table=rows)
    if options.install:
        sizes = install_mib()
        write_results("install", {"machine": machine(), "mib": sizes}, table=[sizes])


if __name__ == "__main__":
    main()
