"""What hosts' managers run adds what is missing and changes nothing that is there."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from support.project_file import read_project_file

ROOT = Path(__file__).resolve().parents[2]


class Pip:
    """Stands for pip: remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.constraints = ""
        self.output = SimpleNamespace(returncode=0, stderr="")

    def __call__(self, command: list[str], **_: object) -> SimpleNamespace:
        assert command[:6] == [
            *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check"),
            "--constraint",
        ]
        self.constraints = Path(command[6]).read_text()
        self.asked.append(command[7:])
        return self.output


@pytest.fixture
def install() -> ModuleType:
    spec = util.spec_from_file_location("host_install", ROOT / "install.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    recorder = Pip()
    monkeypatch.setattr(subprocess, "run", recorder)
    return recorder


def _lacking(install: ModuleType, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    there = install.is_there
    monkeypatch.setattr(install, "is_there", lambda name: name not in modules and there(name))


def test_nothing_is_done_where_all_is_there(install: ModuleType, pip: Pip) -> None:
    install.main()
    assert pip.asked == []


def test_only_absent_packages_are_installed_and_all_others_are_held(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lacking(install, monkeypatch, "openvino")
    install.main()
    assert pip.asked == [["openvino>=2024.6"]]
    held = dict(line.split("==") for line in pip.constraints.split())
    for name in ("numpy", "torch", "pillow", "opencv-python-headless"):
        assert held[name] == metadata.version(name)
    assert "openvino" not in held


def test_what_an_update_needs_newer_is_updated_but_never_what_the_host_brought(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"openvino": "2024.5.0", "platformdirs": "4.10.1", "numpy": "1.20.0"}
    version = metadata.version
    monkeypatch.setattr(install.metadata, "version", lambda name: old.get(name) or version(name))
    install.main()
    assert pip.asked == [["openvino>=2024.6"]]


def test_no_second_opencv_is_installed_beside_another(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cv2 can be imported, though no opencv-python-headless is recorded: another pack's."""

    def version(name: str) -> str:
        if "opencv" in name:
            raise metadata.PackageNotFoundError
        return "9999"

    monkeypatch.setattr(install.metadata, "version", version)
    install.main()
    assert pip.asked == []
    assert "opencv" not in (ROOT / "requirements.txt").read_text().partition("openvino")[2]


def test_torch_is_never_asked_for(install: ModuleType) -> None:
    assert not any("torch" in requirement for requirement in install.NEEDED.values())


def test_every_package_needed_is_one_that_gpen_names(install: ModuleType) -> None:
    core = read_project_file(ROOT)["project"]["dependencies"]
    names = {requirement.partition(">")[0] for requirement in core}
    needed = {requirement.partition(">")[0] for requirement in install.NEEDED.values()}
    assert needed <= names
    assert names - needed == {"typer", "rich", "filelock"}, "only the command line may be missing"


def test_the_list_for_managers_is_what_hosts_do_not_bring(install: ModuleType) -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {line for line in lines if not line.startswith("#")}
    assert listed == {
        requirement
        for module, requirement in install.NEEDED.items()
        if module not in install.OF_HOSTS
    }


@pytest.mark.parametrize("plugin", ["a1111", "comfyui"])
def test_a_linked_plugin_folder_installs_the_same(
    pip: Pip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugin: str
) -> None:
    link = tmp_path / "gpen"
    link.symlink_to(ROOT / "plugins" / plugin, target_is_directory=True)
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "cv2" else find(name))
    runpy.run_path(str(link / "install.py"), run_name="__main__")
    assert pip.asked == [["opencv-python-headless>=4.9"]]


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 8, 10)])
def test_an_older_python_is_told_and_nothing_installed(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    _lacking(install, monkeypatch, "openvino")
    monkeypatch.setattr(install.sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"this is Python 3\.\d+; gpen needs 3\.10"):
        install.main()
    assert pip.asked == []


def test_a_failure_of_pip_is_told_in_one_line(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lacking(install, monkeypatch, "openvino")
    pip.output = SimpleNamespace(returncode=1, stderr="note\nERROR: no network\nhint\n")
    with pytest.raises(SystemExit, match=r"openvino>=2024\.6` failed: ERROR: no network$"):
        install.main()
