"""Installs what gpen needs, where this folder is linked into the host's folder of extensions."""

from __future__ import annotations

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).resolve().parents[2] / "install.py"), run_name="__main__")
