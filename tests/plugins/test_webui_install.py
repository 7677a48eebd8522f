"""WebUI's install step adds what is missing and changes nothing that is there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import metadata
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
        assert command[:4] == [sys.executable, "-m", "pip", "install"]
        arguments = command[5:]
        if arguments[0] == "--constraint":
            self.constraints = Path(arguments[1]).read_text()
            arguments = ["--constraint", *arguments[2:]]
        self.asked.append(arguments)
        return self.output


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "webui_install", ROOT / "plugins" / "a1111" / "install.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    recorder = Pip()
    monkeypatch.setattr(subprocess, "run", recorder)
    monkeypatch.delenv("GPEN_PACKAGE", raising=False)
    return recorder


def _lacking(install: ModuleType, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    there = install.is_there
    monkeypatch.setattr(install, "is_there", lambda name: name not in modules and there(name))


def test_nothing_is_done_where_all_is_there(install: ModuleType, pip: Pip) -> None:
    install.main()
    assert pip.asked == []


def test_gpen_comes_from_its_checkout_without_dependencies(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lacking(install, monkeypatch, "gpen")
    install.main()
    assert pip.asked == [["--no-deps", str(ROOT)]]
    monkeypatch.setenv("GPEN_PACKAGE", "/wheels/gpen.whl")
    install.main()
    assert pip.asked[1] == ["--no-deps", "/wheels/gpen.whl"]


def test_only_absent_packages_are_installed_and_all_others_are_held(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lacking(install, monkeypatch, "openvino")
    install.main()
    assert pip.asked == [["--constraint", "openvino>=2024.6"]]
    held = dict(line.split("==") for line in pip.constraints.split())
    for name in ("numpy", "torch", "pillow", "opencv-python-headless"):
        assert held[name] == metadata.version(name)


def test_torch_is_never_asked_for(install: ModuleType) -> None:
    assert not any("torch" in requirement for requirement in install.NEEDED.values())


def test_every_package_needed_is_one_that_gpen_names(install: ModuleType) -> None:
    core = read_project_file(ROOT)["project"]["dependencies"]
    names = {requirement.partition(">")[0] for requirement in core}
    needed = {requirement.partition(">")[0] for requirement in install.NEEDED.values()}
    assert needed <= names
    assert names - needed == {"typer", "rich", "filelock"}, "only the command line may be missing"


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 8, 10)])
def test_an_older_python_is_told_and_nothing_installed(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    _lacking(install, monkeypatch, "gpen")
    monkeypatch.setattr(install.sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"runs Python 3\.\d+; gpen needs 3\.10"):
        install.main()
    assert pip.asked == []


def test_a_failure_of_pip_is_told_in_one_line(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lacking(install, monkeypatch, "openvino")
    pip.output = SimpleNamespace(returncode=1, stderr="note\nERROR: no network\nhint\n")
    with pytest.raises(SystemExit, match=r"openvino>=2024\.6` failed: ERROR: no network$"):
        install.main()


def test_a_copied_folder_never_asks_an_index_for_the_bare_name(
    install: ModuleType, pip: Pip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _lacking(install, monkeypatch, "gpen")
    monkeypatch.setattr(install, "__file__", str(tmp_path / "webui/extensions/gpen/install.py"))
    with pytest.raises(SystemExit, match="set GPEN_PACKAGE to a gpen checkout or wheel"):
        install.main()
    assert pip.asked == []
