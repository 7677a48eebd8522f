"""Installing without make, as the README says it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_installed_from_a_checkout_it_restores_a_photo(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).with_stem("python").name
    install = [python, "-m", "pip", "install", "--quiet", str(ROOT)]
    installed = subprocess.run(install, check=False, capture_output=True, text=True)
    if "No matching distribution" in installed.stderr or "connection" in installed.stderr:
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr
    result = tmp_path / "demo_gpen.jpg"
    command = [scripts / "gpen", "restore", ROOT / "examples/demo.jpg", "-o", result]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=clean
    )
    assert done.returncode == 0, done.stderr
    assert result.stat().st_size > 10_000
