"""The repository, cloned into a host's folder as the hosts' managers do, is an extension there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Each starts a stand-in for a host in a process of its own, in which gpen has not been loaded yet.
_COMFYUI = """
comfy = ComfyUI(patch, folder / "models", folder=clone)
(model,) = comfy.run("GPENLoad", model="gpen-default-256")
image = torch.from_numpy(photo / np.float32(255))[None]
after, mask = comfy.run("GPENRestore", facerestore_model=model, image=image)
changed = (after != image).any(3)
templates = [*folder.glob("custom_nodes/*/example_workflows/*.json")]
print(json.dumps([sys.modules["gpen"].__file__, int(changed.sum()), len(templates)]))
"""
_WEBUI = """
webui = WebUI(patch, folder, newer=True)
script = webui.load(clone)
script = webui.load(clone)  # a reload
after = webui.restorer().restore(photo)
made = webui.extras(script, PIL.Image.fromarray(photo), enable=True).info["GPEN faces"]
print(json.dumps([sys.modules["gpen"].__file__, int((after != photo).any(2).sum()), made]))
"""
_START = """
import json, sys
from pathlib import Path
import numpy as np, PIL.Image, pytest, torch
from support.comfyui_host import ComfyUI
from support.webui_host import WebUI
clone, folder = map(Path, sys.argv[1:])
patch = pytest.MonkeyPatch()
photo = np.asarray(PIL.Image.open(clone / "examples" / "demo.jpg"))
assert "gpen" not in sys.modules
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's folder with clones of the repository, at the commit checked out."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository: this is a source archive")
    folder = tmp_path_factory.mktemp("host")
    for name in ("custom_nodes", "extensions"):
        subprocess.run(
            ["git", "clone", "--quiet", str(ROOT), str(folder / name / "gpen")],
            check=True,
            timeout=120,
        )
    return folder


def _run(code: str, clone: Path) -> list[object]:
    """What the code prints, run without gpen on the path."""
    done = subprocess.run(
        [sys.executable, "-c", _START + code, str(clone), str(clone.parents[1])],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_comfyui_takes_nodes_and_gpen_from_the_clone(host: Path) -> None:
    clone = host / "custom_nodes" / "gpen"
    file, n_changed, n_templates = _run(_COMFYUI, clone)
    assert Path(str(file)).is_relative_to(clone)
    assert n_changed > 1000
    assert n_templates == 1


def test_webui_takes_scripts_and_gpen_from_the_clone(host: Path) -> None:
    clone = host / "extensions" / "gpen"
    file, n_changed, n_faces = _run(_WEBUI, clone)
    assert Path(str(file)).is_relative_to(clone)
    assert n_changed > 1000
    assert n_faces == 1


@pytest.mark.parametrize("folder", ["custom_nodes", "extensions"])
def test_what_the_managers_run_finds_nothing_to_do_here(host: Path, folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "install.py"],
        cwd=host / folder / "gpen",
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_python_beside_a_clone_imports_the_package(host: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import gpen, gpen.errors; print(gpen.__file__, gpen.restore)"],
        cwd=host / "extensions",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split()[0]).parts[-3:] == ("src", "gpen", "__init__.py")
