"""Installs gpen into WebUI's Python; WebUI runs this at every start, in a process of its own.

Nothing that is installed already is ever changed. gpen itself is installed without its
dependencies, because WebUI pins older Pillow and OpenCV than gpen asks for, and both do for
images in memory. Of its dependencies only those that cannot be imported at all are installed,
under a constraint that holds every package at the version it has: pip gives up rather than move
torch, numpy, Pillow or OpenCV. gpen's core needs no torch.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

OLDEST_PYTHON = (3, 10)
#: What restoring an image in memory imports, and who brings it.
NEEDED = {
    "numpy": "numpy>=1.26",
    "cv2": "opencv-python-headless>=4.9",
    "PIL": "pillow>=9.5",
    "pillow_heif": "pillow-heif>=0.10",
    "openvino": "openvino>=2024.6",
    "platformdirs": "platformdirs>=4.2",
    "safetensors": "safetensors>=0.4",
}


def main() -> None:
    """Install what is missing.

    Raises:
        SystemExit: With one line for WebUI's console that says why GPEN will be absent.
    """
    if is_there("gpen") and not missing():
        return
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(
            f"GPEN: this WebUI runs Python {sys.version_info[0]}.{sys.version_info[1]}; "
            "gpen needs 3.10 or newer"
        )
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(installed()) + "\n", encoding="utf-8")
        if absent := missing():
            pip("--constraint", str(constraints), *absent)
        if not is_there("gpen"):
            pip("--no-deps", source())


def is_there(module: str) -> bool:
    """Whether a module can be imported, without doing so."""
    return importlib.util.find_spec(module) is not None


def missing() -> list[str]:
    """Requirements of which nothing is installed."""
    return [requirement for module, requirement in NEEDED.items() if not is_there(module)]


def installed() -> list[str]:
    """Every package at the version it has, as constraints."""
    found = {
        dist.metadata["Name"]: dist.version
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def source() -> str:
    """What pip installs gpen from: `GPEN_PACKAGE`, or the checkout that this folder belongs to.

    Never a bare name, which on a package index may belong to somebody else.

    Raises:
        SystemExit: There is neither.
    """
    if package := os.environ.get("GPEN_PACKAGE"):
        return package
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "src" / "gpen" / "__init__.py").is_file():
        return str(checkout)
    raise SystemExit(
        "GPEN: gpen is not installed: set GPEN_PACKAGE to a gpen checkout or wheel and start WebUI "
        "again, or link this folder into extensions/ instead of copying it"
    )


def pip(*arguments: str) -> None:
    """Run pip's install.

    Raises:
        SystemExit: It failed; nothing was changed.
    """
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = next((line for line in lines if line.startswith("ERROR")), "\n".join(lines[-1:]))
        raise SystemExit(f"GPEN: `pip install {' '.join(arguments)}` failed: {why}")


if __name__ == "__main__":
    main()
