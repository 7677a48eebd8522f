"""Installs built packages into fresh environments, and uses each as a user would.

    python -m build
    python tools/smoke_test.py dist --python python3.10 --python python3.13

Each environment gets one package with one extra, and restores a photo; those with an extra also do
what it is for. Before the extra `torch`, `--torch` is installed, so that the wheel can be chosen.
uv installs where it is at hand, which takes a fraction of pip's time; else pip does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("sdist", "core", "web", "video", "torch")
#: What is run in each environment, after `gpen restore`.
_USES = {
    "web": """
import threading, urllib.request
import uvicorn
from gpen.server import create_app
server = uvicorn.Server(uvicorn.Config(create_app(), port=0, log_level="error"))
threading.Thread(target=server.run, daemon=True).start()
while not server.started:
    pass
port = server.servers[0].sockets[0].getsockname()[1]
assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").status == 200
server.should_exit = True
""",
    "video": """
import av, numpy, gpen
with av.open("clip.mp4", "w") as clip:
    stream = clip.add_stream("libx264", rate=5)
    stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
    for _ in range(5):
        frame = av.VideoFrame.from_ndarray(numpy.full((128, 128, 3), 99, numpy.uint8))
        clip.mux(stream.encode(frame))
    clip.mux(stream.encode())
result = gpen.restore_video("clip.mp4", "restored.mp4")
assert len(list(av.open("restored.mp4").decode(video=0))) == 5
""",
    "torch": """
import gpen
gpen.convert("gpen-default-256", "net.pth")
assert gpen.Restorer(model="net.pth", engine="torch", device="cpu").restore("demo.jpg").faces
""",
}


def main() -> None:
    """Test all packages asked for; the exit status is the number of failures."""
    options = _options()
    failures = 0
    for python in options.python or [sys.executable]:
        for extra in options.extra or EXTRAS:
            began_s = time.monotonic()
            what = f"{python} {extra}"
            try:
                found = _try(options.dist, python, extra, options.torch)
            except subprocess.CalledProcessError as error:
                failures += 1
                print(f"FAILED {what}: {' '.join(map(str, error.cmd))}\n{error.stderr}")
            else:
                print(f"passed {what}: {found}, {time.monotonic() - began_s:.0f} s", flush=True)
    raise SystemExit(failures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Use built packages in fresh environments.")
    parser.add_argument("dist", type=Path, help="Folder with one wheel and one sdist.")
    parser.add_argument("--python", action="append", help="An interpreter; may be given again.")
    parser.add_argument("--extra", action="append", choices=EXTRAS, help="Only these.")
    parser.add_argument("--torch", default="torch", help="What pip installs before [torch].")
    return parser.parse_args()


def _try(dist: Path, python: str, extra: str, torch: str) -> str:
    """Install and use one package in an environment of its own; returns what `--version` says.

    Raises:
        CalledProcessError: With what the step printed.
    """
    (package,) = dist.resolve().glob("*.tar.gz" if extra == "sdist" else "*.whl")
    wanted = str(package) if extra in ("sdist", "core") else f"{package}[{extra}]"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        pip: tuple[str | Path, ...] = (scripts / "python", "-m", "pip")
        make: tuple[str, ...] = (python, "-m", "venv", "venv")
        if uv := shutil.which("uv"):
            pip, make = (uv, "pip"), (uv, "venv", "--quiet", "--python", python, "venv")
        _run(folder, *make)
        if extra == "torch":
            _run(folder, *pip, "install", "--quiet", *torch.split())
        _run(folder, *pip, "install", "--quiet", wanted)
        _run(folder, *pip, "check")
        photo = (ROOT / "examples" / "demo.jpg").read_bytes()
        (folder / "demo.jpg").write_bytes(photo)
        said = _run(folder, scripts / "gpen", "restore", "demo.jpg")
        if "1 face" not in said or not (folder / "demo_gpen.jpg").exists():
            raise subprocess.CalledProcessError(0, ["gpen", "restore"], said, said)
        if extra in _USES:
            _run(folder, scripts / "python", "-W", "error", "-c", _USES[extra])
        return _run(folder, scripts / "gpen", "--version").strip()


def _run(folder: Path, *command: str | Path) -> str:
    """Run a command in a folder; returns all that it printed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clean |= {"GPEN_CACHE_DIR": str(folder / "cache"), "VIRTUAL_ENV": str(folder / "venv")}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, check=False, capture_output=True, text=True, env=clean
    )
    if done.returncode:
        raise subprocess.CalledProcessError(
            done.returncode, command, done.stdout, done.stdout + done.stderr
        )
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
