"""`gpen train`, as a person uses it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("tensorboard")

from gpen.cli import app  # noqa: E402
from gpen.errors import GpenError  # noqa: E402
from support.tiny_training import CONFIG, SUBPIXEL, draw_faces  # noqa: E402

#: Exit code, standard output, standard error.
Train = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with faces and tiny.toml."""
    draw_faces(tmp_path)
    data = 'train = ["train"]\nval = ["val"]'
    (tmp_path / "tiny.toml").write_text(CONFIG.replace("[data]", f"[data]\n{data}"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def train(folder: Path, capsys: pytest.CaptureFixture[str]) -> Train:
    """Runs `gpen train ARGUMENTS` in this process."""

    def train_(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            app.main(["train", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return train_


def steps_logged(run: Path) -> list[int]:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if line["kind"] == "train"]


def test_it_trains_and_says_where_the_weights_are(train: Train, folder: Path) -> None:
    code, out, err = train("tiny.toml", "name=first")
    assert code == 0
    assert "runs/00000-first · from the beginning to 4 · cpu" in out
    assert "runs/00000-first/weights.safetensors is ready" in out
    assert "step 4/4" in err
    assert (folder / "runs/00000-first/weights.safetensors").stat().st_size > 0
    assert steps_logged(folder / "runs/00000-first") == [1, 2, 3, 4]


def test_dry_run_tells_what_it_takes_and_writes_nothing(train: Train, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    code, out, _ = train("tiny.toml", "--dry-run")
    assert code == 0
    for part in ("stage 0: 32 px, 4 steps", "parameters", "that are free", "in all about"):
        assert part in out
    assert sorted(folder.rglob("*")) == before


def test_dry_run_knows_sub_pixel_networks(train: Train) -> None:
    code, out, _ = train("tiny.toml", *SUBPIXEL, "--dry-run")
    assert code == 0
    for part in ("stage 0: 32 px, 1 steps", "stage 1: 64 px, 3 steps", "in all about"):
        assert part in out
    code, _, err = train("tiny.toml", *SUBPIXEL, "network.channels=[8]", "--dry-run")
    assert code == 2
    assert "network.channels: 1 widths; expected 3, one for each level from 4 px to 16 px" in err


@pytest.mark.parametrize("name", ["default", "published", "described", "described-2048"])
def test_configs_that_come_with_gpen_are_found_by_name(
    train: Train, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shown = []
    monkeypatch.setattr("gpen.cli.train._show_estimate", lambda config, _: shown.append(config))
    assert train(name, "data.train=train/", "data.val=val/", "--dry-run")[0] == 0
    assert [(config.name, config.data.train) for config in shown] == [(name, ("train/",))]


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_finishes(train: Train, folder: Path) -> None:
    """A real signal to a real process."""
    command = [sys.executable, "-m", "gpen", "train", "tiny.toml", "stages=[{steps=100000}]"]
    # A shell that starts tests in the background has them ignore Ctrl-C, their children too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*command, "every=1000"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    signal.signal(signal.SIGINT, before)
    log = folder / "runs/00000-tiny/log.jsonl"
    with process:
        deadline = time.monotonic() + 120
        while not (log.exists() and '"train"' in log.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=120)[1]
    assert process.returncode == 130, err
    saved = torch.load(log.parent / "checkpoint.pt", weights_only=True)["step"]
    assert f"stopped at step {saved}, saved; go on with --resume" in err

    code, out, _ = train("tiny.toml", f"stages=[{{steps={saved + 2}}}]", "--resume")
    assert code == 0
    assert f"from step {saved} to {saved + 2}" in out
    assert steps_logged(log.parent) == list(range(1, saved + 3))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("tiny.toml", "--resume"), 3, "no run named 'tiny' with a checkpoint; leave --resume out"),
        (("tiny.toml", "optimiser.bach=8"), 2, "optimiser.bach is no setting: did you mean batch?"),
        (("tiny.toml", "optimiser.batch=much"), 2, "optimiser.batch is 'much'; expected int"),
        (("tiny.toml", "fast"), 2, "'fast' is no setting: expected key=value"),
        (("none.toml",), 2, "cannot read none.toml"),
        (("tiny.toml", "data.train=nowhere"), 3, "no faces at nowhere"),
        (("tiny.toml", "--run", "nowhere"), 3, "nowhere holds no checkpoint.pt"),
        (
            ("tiny.toml", "optimiser.lr=inf", "--dry-run"),
            2,
            "optimiser.lr is inf; expected a finit",
        ),
        (("tiny.toml", "loss.l1=-1", "--dry-run"), 2, "loss.l1: -1.0; expected 0 or more"),
        (
            ("tiny.toml", "optimiser.accumulate=4", "--dry-run"),
            2,
            "optimiser.batch is 4; expected a multiple of 8",
        ),
    ],
    ids=["resume", "key", "value", "no-value", "file", "faces", "run", "inf", "weight", "shares"],
)
def test_mistakes_are_one_line_that_says_what_to_do(
    train: Train, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result, _, err = train(*arguments)
    assert message in err
    assert result == code
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("error", [GpenError("no"), ValueError("no"), KeyboardInterrupt()])
def test_start_that_fails_leaves_nothing_behind(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    before = sorted(folder.rglob("*"))
    monkeypatch.setattr("gpen.training.loop.open_perceptual_losses", fail)
    with contextlib.suppress(ValueError):
        assert train("tiny.toml")[0] != 0
    assert sorted(folder.rglob("*")) == before


def test_resume_with_another_network_is_refused_and_harms_nothing(
    train: Train, folder: Path
) -> None:
    assert train("tiny.toml")[0] == 0
    checkpoint = folder / "runs/00000-tiny/checkpoint.pt"
    before = checkpoint.read_bytes()
    code, _, err = train("tiny.toml", "network.n_mlp=3", "--resume")
    assert code == 2
    assert "network.n_mlp: 2 then, 3 now" in err
    assert checkpoint.read_bytes() == before


def test_prior_is_reported_in_the_run_folder(train: Train, folder: Path) -> None:
    """A generator's synthesis under the names of StyleGAN2's, with an input half as wide."""
    from gpen.training.config_file import load_config
    from gpen.training.network_setup import build_generator

    config = load_config(folder / "tiny.toml", ["network.injection=add"])
    prior = build_generator(config, 32).generator.state_dict()
    torch.save({"g_ema": prior}, "prior.pt")
    arguments = ("tiny.toml", "network.injection=add", "stages=[{steps=1}]")
    assert train(*arguments, "--prior", "prior.pt")[0] == 0
    report = (folder / "runs/00000-tiny/prior.txt").read_text()
    assert "taken" in report.splitlines()[0]
    assert "generator.input.input" in report


def test_prior_of_an_unknown_layout_fails_with_one_line(train: Train) -> None:
    torch.save({"synthesis.b4.const": torch.zeros(2)}, "ffhq.pt")
    code, _, err = train("tiny.toml", "--prior", "ffhq.pt")
    assert code == 3
    assert "ffhq.pt is a StyleGAN2 generator of NVIDIA's without RGB layers" in err
    assert len(err.splitlines()) == 1


def test_help_has_examples(train: Train) -> None:
    code, out, _ = train("--help")
    assert code == 0
    assert "gpen train configs/default.toml --resume" in out
