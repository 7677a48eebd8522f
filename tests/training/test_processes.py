"""Two processes on the CPU (gloo) do what one does with the doubled batch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gpen import ConfigError  # noqa: E402
from gpen.training.config import Config  # noqa: E402
from gpen.training.config_checks import check_shares  # noqa: E402
from gpen.training.config_file import to_toml  # noqa: E402


def train(config: Config, folder: Path, processes: int) -> dict[str, dict[str, torch.Tensor]]:
    """Train as a user would, and return the checkpoint."""
    folder.mkdir()
    (folder / "config.toml").write_text(to_toml(config))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "gpen", "train"]
    done = subprocess.run(
        [*command, str(folder / "config.toml"), "--runs", str(folder / "runs")],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (checkpoint,) = folder.glob("runs/*/checkpoint.pt")
    state: dict[str, dict[str, torch.Tensor]] = torch.load(checkpoint, weights_only=True)
    return state


@pytest.mark.slow  # starts torch five times
def test_two_processes_take_the_step_of_one_with_the_doubled_batch(
    tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    penalty = ("loss.path_length=1", "loss.path_length_every=2")  # whose noise is each face's own
    config = tiny_with("stages=[{steps=3}]", "every=3", *penalty)
    one = train(config, tmp_path / "one", 1)
    two = train(config, tmp_path / "two", 2)
    for part in ("g", "d", "g_ema"):
        for name, value in one[part].items():
            assert torch.allclose(value, two[part][name], rtol=1e-3, atol=1e-4), (part, name)


def test_batch_that_cannot_be_shared_out_is_refused(tiny_with: Callable[..., Config]) -> None:
    check_shares(tiny_with(), world=2)
    with pytest.raises(ConfigError, match="multiple of 6: 3 processes"):
        check_shares(tiny_with(), world=3)
