"""What the Tab key offers, asked as shells ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpen.cli import app

GPEN = Path(sys.executable).with_name("gpen")


Ask = Callable[[dict[str, str]], str]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run gpen as a shell does for a Tab: its environment says all. Gives what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gpen"])

    def ask_(environment: dict[str, str]) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit_:
            app.main()
        captured = capsys.readouterr()
        assert (exit_.value.code, captured.err) == (0, "")
        return captured.out

    return ask_


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gpen res", ["restore"]),
        ("gpen models ", ["get"]),
        ("gpen restore --model", ["--model", "--models-dir"]),
        ("gpen restore --mask ", ["head", "face", "box"]),
        ("gpen restore old.jpg --engine o", ["openvino", "onnxruntime"]),
        ("gpen restore --model ", ["gpen-default-256", "mine"]),
        ("gpen batch --model m", ["mine"]),
        ("gpen restore --detector gpen-detector-f", ["gpen-detector-finder"]),
        ("gpen detect --detector gpen-d", ["gpen-detector", "gpen-detector-finder"]),
        ("gpen restore --embedding gpen-", ["gpen-face-embedding"]),
        ("gpen models get gpen_bfr_2", ["gpen_bfr_256", "gpen_bfr_2048"]),
        ("gpen models get GPEN-BFR-5", ["GPEN-BFR-512"]),
        ("gpen restore --model no-such", []),
    ],
)
def test_bash(
    line: str, expected: list[str], ask: Ask, tmp_path: Path, identity_model: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(identity_model, folder / "mine.onnx")
    (folder / "broken.pth").write_text("<html>")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    offered = ask(asked | {"_GPEN_COMPLETE": "complete_bash"}).split()
    assert set(expected) <= set(offered)
    assert all(word.startswith(line.rpartition(" ")[2]) for word in offered)
    assert "broken" not in offered


def test_zsh_and_fish_say_what_things_are(ask: Ask) -> None:
    words = {"_TYPER_COMPLETE_ARGS": "gpen models get scrfd"}
    zsh = ask(words | {"_GPEN_COMPLETE": "complete_zsh"})
    assert zsh.startswith('_arguments \'*: :(("scrfd-10g":"SCRFD, a face detector')
    action = {"_GPEN_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert ask(words | action).startswith("scrfd-10g\tSCRFD, a face detector")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installing_it_writes_to_the_home_folder_alone(shell: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [GPEN, "--install-completion", shell],
        env=os.environ | home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{shell} completion installed" in done.stdout
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_GPEN_COMPLETE" in path.read_text() for path in written)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_itself_completes_with_what_was_installed(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    environment = os.environ | home | {"PATH": f"{GPEN.parent}:{os.environ['PATH']}"}
    subprocess.run(
        [GPEN, "--install-completion", "bash"], env=environment, capture_output=True, check=True
    )
    script = """
        source ~/.bash_completions/gpen.sh
        complete -p gpen
        COMP_WORDS=(gpen restore --precision b) COMP_CWORD=3
        _gpen_completion gpen
        printf '<%s>' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["complete -o default -F _gpen_completion gpen", "<bf16>"]


def test_a_tab_and_the_help_load_nothing_heavy() -> None:
    """Shells run gpen anew for every Tab: numpy alone would make a third of that time."""
    code = (
        "import sys, typer; from gpen.cli.app import app; typer.main.get_command(app); "
        "print(sorted({'numpy', 'cv2', 'openvino', 'torch', 'PIL', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
