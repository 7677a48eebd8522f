"""Installs what gpen needs into the Python of ComfyUI, WebUI or Forge.

Their managers run this file, in a process of its own, where the repository was cloned into
`custom_nodes` or `extensions`: ComfyUI's after each update, WebUI at every start. gpen itself is
not installed: it runs from the checkout, so that an update of the checkout is one of gpen.

Nothing that the host has is ever changed. Only packages that cannot be imported at all are
installed, under a constraint that holds every other package at the version it has: pip gives up
rather than move torch, numpy, Pillow or OpenCV. OpenCV has four packages of one content, of which
there must be one: it is installed only where none is.
"""

from __future__ import annotations

import importlib.util
import re
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
#: What hosts bring themselves; of these no version is asked for.
OF_HOSTS = ("numpy", "cv2", "PIL")


def main() -> None:
    """Install what is missing.

    Raises:
        SystemExit: With one line for the host's console that says why GPEN will be absent.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(
            f"GPEN: this is Python {sys.version_info[0]}.{sys.version_info[1]}; gpen needs 3.10 or "
            "newer"
        )
    if not (absent := missing()):
        return
    names = {_name(requirement) for requirement in absent}
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        held = [line for line in installed() if _name(line) not in names]
        constraints.write_text("\n".join(held) + "\n", encoding="utf-8")
        pip("--constraint", str(constraints), *absent)


def is_there(module: str) -> bool:
    """Whether a module can be imported, without doing so."""
    return importlib.util.find_spec(module) is not None


def missing() -> list[str]:
    """Requirements of which nothing is installed, or something too old that is not the host's."""
    return [
        requirement
        for module, requirement in NEEDED.items()
        if not is_there(module) or (module not in OF_HOSTS and is_too_old(requirement))
    ]


def is_too_old(requirement: str) -> bool:
    """Whether the version installed is below the one that `name>=version` asks for."""
    name, _, oldest = requirement.partition(">=")
    try:
        return _numbers(metadata.version(name)) < _numbers(oldest)
    except metadata.PackageNotFoundError:  # there without a record of it: the host's matter
        return False


def installed() -> list[str]:
    """Every package at the version it has, as constraints."""
    found = {
        dist.metadata["Name"]: dist.version
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }
    return [f"{name}=={version}" for name, version in sorted(found.items())]


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


def _name(requirement: str) -> str:
    """A package's name as pip compares names."""
    return re.sub(r"[-_.]+", "-", re.split("[=>]=", requirement)[0]).lower()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


if __name__ == "__main__":
    main()
