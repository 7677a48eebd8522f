"""Install size and start-up time, into benchmarks/results/startup.json.

    python benchmarks/startup.py [--install]

Goals: core install <= 450 MB, `import gpen` <= 0.2 s, `gpen --help` <= 0.4 s. Times are whole
processes, so Python's own start is included and given beside them. `--install` makes a fresh
virtual environment and measures its site-packages without pip (a minute, needs the registry).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from report import machine, median_spread, timed, write_results

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import gpen": ["-c", "import gpen"],
    "gpen --version": ["-m", "gpen", "--version"],
    "gpen --help": ["-m", "gpen", "--help"],
    "gpen restore --help": ["-m", "gpen", "restore", "--help"],
    "gpen restore demo.jpg": ["-m", "gpen", "restore", "{demo}", "-o", "{out}", "--overwrite"],
}


def process_seconds(arguments: list[str], runs: int) -> list[float]:
    """Seconds of whole processes, after one that warms the disk cache."""
    command = [sys.executable, *arguments]
    return timed(lambda: subprocess.run(command, check=True, capture_output=True), runs)


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
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        names = {"demo": str(ROOT / "examples/demo.jpg"), "out": str(Path(folder) / "out.jpg")}
        for name, arguments in COMMANDS.items():
            seconds = process_seconds([part.format(**names) for part in arguments], options.runs)
            rows.append({"command": name, **median_spread(seconds)})
    data = {"machine": machine(), "rows": rows}
    write_results("startup", data, table=rows)
    if options.install:
        sizes = install_mib()
        write_results("install", {"machine": machine(), "mib": sizes}, table=[sizes])


if __name__ == "__main__":
    main()
