"""Runs the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpen.cli import app


@pytest.fixture
def run_gpen(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`gpen ARGUMENTS`: its exit code, standard output and standard error."""

    def run_(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            app.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run_
