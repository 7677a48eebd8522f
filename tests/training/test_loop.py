"""Runs: what they leave behind, and that they go on as if they had never stopped."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gpen import ConfigError, TrainingError, find_model  # noqa: E402
from gpen.training.config import Config, Stage  # noqa: E402
from gpen.training.config_file import parse_config  # noqa: E402
from gpen.training.degradation import recipe  # noqa: E402
from gpen.training.face_dataset import open_faces  # noqa: E402
from gpen.training.loop import Run, StoppedError  # noqa: E402
from gpen.training.processes import Processes  # noqa: E402
from gpen.training.runs import latest_run, load_checkpoint, new_run  # noqa: E402
from gpen.training.validation import Validation  # noqa: E402
from support.tiny_training import SUBPIXEL  # noqa: E402


def begin(config: Config, runs: Path) -> Run:
    return Run(config, new_run(runs, config), Processes("cpu"))


def resume(config: Config, folder: Path) -> Run:
    return Run(config, folder, Processes("cpu"), resume=True)


def losses(folder: Path) -> list[dict[str, float]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    timings = ("faces_per_s", "waited_s")
    return [
        {k: v for k, v in line.items() if k not in timings}
        for line in lines
        if line["kind"] == "train"
    ]


def test_run_folder_holds_everything_to_repeat_it(tiny: Config, tmp_path: Path) -> None:
    run = begin(tiny, tmp_path / "runs")
    run.train()
    folder = run.folder
    assert folder.name == "00000-tiny"
    assert parse_config((folder / "config.toml").read_text()) == tiny
    told = json.loads((folder / "run.json").read_text())
    assert told["seed"] == tiny.seed
    assert {"command", "commit", "torch", "machine"} <= set(told)
    assert [line["step"] for line in losses(folder)] == [1, 2, 3, 4]
    names = {path.name for path in folder.iterdir()}
    assert {"checkpoint.pt", "weights.safetensors", "best.safetensors", "tensorboard"} <= names
    assert len(list((folder / "samples").glob("*.png"))) == 2


def test_regularisers_that_come_every_few_steps_reach_the_log_as_means(
    tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    lazy = ("loss.r1_every=4", "loss.path_length=1", "loss.path_length_every=3")
    steps = "stages=[{steps=6}]"
    each = begin(tiny_with(*lazy, steps), tmp_path / "each")
    each.train()
    told: list[dict[str, float]] = []
    run = begin(tiny_with(*lazy, steps, "log_every=3", "every=6"), tmp_path / "third")
    run.train(lambda _step, figures: told.append(figures))
    lines, single = losses(run.folder), losses(each.folder)
    assert [line["step"] for line in lines] == [3, 6]
    assert [("r1" in line, "path_length" in line) for line in single].count((False, False)) == 3
    for line, steps_of_it in zip(lines, (single[:3], single[3:]), strict=True):
        for name in {*line} - {"kind", "step"}:
            values = [step[name] for step in steps_of_it if name in step]
            assert line[name] == pytest.approx(sum(values) / len(values), rel=1e-4), name
        assert {"l1", "r1", "path_length"} <= line.keys()
    assert told[2]["r1"] == pytest.approx(lines[0]["r1"], rel=1e-5)
    assert told[5]["l1"] == pytest.approx(lines[1]["l1"], rel=1e-5)


def test_weights_of_a_run_restore_and_say_what_they_are(tiny: Config, tmp_path: Path) -> None:
    run = begin(tiny, tmp_path / "runs")
    run.train()
    for name in ("weights.safetensors", "checkpoint.pt"):
        model = find_model(run.folder / name)
        assert (model.kind, model.size) == ("gpen", 32), name


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["loss.path_length=1", "loss.path_length_every=2", "optimiser.accumulate=2",
         "log_every=4"],
        ["discriminator.kind=patchgan", "discriminator.patch_channels=4", "network.size=64",
         "discriminator.resolutions=[64]", "loss.adversarial_kind=hinge"],
        ["network.size=64", "network.narrow=0.1", "network.pass_through=true",
         "stages=[{steps=1, size=32}, {steps=3, size=64}]"],
        ["discriminator.kind=patchgan", "discriminator.patch_channels=4", "network.size=64",
         "network.narrow=0.1", "discriminator.resolutions=[64]",
         "stages=[{steps=2, size=32, loss={adversarial=0, feature_matching=0}},{steps=2}]"],
        [*SUBPIXEL, "network.pass_through=true"],
        ["precision=bf16", "network.injection=adain", "network.upsampling=nearest",
         "network.encoder=resnet50", "network.encoder_width=4"],
    ],
    ids=["published", "path-length", "patchgan", "growing", "patchgan-later", "subpixel",
         "described-bf16"],
)  # fmt: skip
def test_resumed_run_has_the_next_losses_of_one_that_was_never_stopped(
    tiny_with: Callable[..., Config], changes: list[str], tmp_path: Path
) -> None:
    config = tiny_with("every=1", *changes)
    whole = begin(config, tmp_path / "whole")
    whole.train()
    stopped = begin(config, tmp_path / "stopped")

    def stop(step: int, _figures: dict[str, float]) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError):
        stopped.train(stop)
    resumed = resume(config, stopped.folder)
    assert resumed.step == 2
    torch.manual_seed(99)  # steps draw nothing from it; a GPU's would not come back
    resumed.train()
    assert losses(resumed.folder) == losses(whole.folder)
    ends = [load_checkpoint(run.folder, config) for run in (whole, resumed)]
    assert all("d" in end for end in ends)
    for part in ("g", "d", "g_ema"):
        for name, value in ends[0][part].items():
            assert torch.equal(value, ends[1][part][name]), (part, name)


def test_weights_of_a_sub_pixel_run_restore_and_say_what_they_are(
    tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    run = begin(tiny_with(*SUBPIXEL), tmp_path / "runs")
    run.train()
    for name in ("weights.safetensors", "checkpoint.pt"):
        model = find_model(run.folder / name)
        assert (model.kind, model.size) == ("gpen-subpixel", 64), name


def test_nan_rolls_back_to_the_checkpoint_and_draws_other_faces(
    tiny: Config, tmp_path: Path
) -> None:
    run = begin(tiny, tmp_path / "runs")

    def poison(step: int, _figures: dict[str, float]) -> None:
        if step == 3 and run.retries == 0:
            next(run.generator.parameters()).data.fill_(float("nan"))

    run.train(poison)
    events = [json.loads(x) for x in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [e["rolled_back_from"] for e in events if "rolled_back_from" in e] == [3]
    assert run.step == 4
    weights = load_checkpoint(run.folder, tiny)["g"].values()
    assert all(value.isfinite().all() for value in weights)


def test_nan_before_the_first_checkpoint_says_what_to_lower(tiny: Config, tmp_path: Path) -> None:
    config = replace(tiny, every=100)
    run = begin(config, tmp_path / "runs")
    next(run.generator.parameters()).data.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"NaN at step 0.*optimiser\.lr"):
        run.train()


def test_full_disk_leaves_the_old_checkpoint(tiny: Config, tmp_path: Path) -> None:
    run = begin(replace(tiny, every=1), tmp_path / "runs")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step: int, _figures: dict[str, float]) -> None:
        if step == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    try:
        with pytest.raises(TrainingError, match=r"step 2.*one before is intact.*--resume"):
            run.train(fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_checkpoint(run.folder, tiny)["step"] == 1
    assert not list(run.folder.glob(".gpen-*"))


def test_files_of_a_run_have_the_permissions_of_any_new_file(tiny: Config, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run = begin(tiny, tmp_path / "runs")
        run.train()
    finally:
        os.umask(before)
    for name in ("weights.safetensors", "best.safetensors", "checkpoint.pt", "log.jsonl"):
        assert stat.S_IMODE((run.folder / name).stat().st_mode) == 0o640, name


def test_what_a_killed_process_left_is_gone_after_a_resume(tiny: Config, tmp_path: Path) -> None:
    run = begin(tiny, tmp_path / "runs")
    run.train()
    left = [run.folder / ".gpen-12.pt", run.folder / "samples" / ".gpen-34.png"]
    for path in left:
        path.write_bytes(b"half a file")
    assert resume(tiny, run.folder).step == 4
    assert not any(path.exists() for path in left)


def test_checkpoint_of_another_network_is_refused(
    tiny: Config, tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    run = begin(tiny, tmp_path / "runs")
    run.train()
    other = tiny_with("network.n_mlp=3")
    with pytest.raises(ConfigError, match=r"network\.n_mlp: 2 then, 3 now"):
        resume(other, run.folder)


def test_damaged_checkpoint_is_an_error_of_its_own(tiny: Config, tmp_path: Path) -> None:
    run = begin(tiny, tmp_path / "runs")
    (run.folder / "checkpoint.pt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(TrainingError, match="no checkpoint of gpen, or damaged"):
        resume(tiny, run.folder)


def test_resume_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run named 'tiny'"):
        latest_run(tmp_path, "tiny")


def test_runs_are_numbered_and_the_newest_is_found(tiny: Config, tmp_path: Path) -> None:
    first, second = (new_run(tmp_path, tiny) for _ in range(2))
    assert (first.name, second.name) == ("00000-tiny", "00001-tiny")
    for folder in (first, second):
        (folder / "checkpoint.pt").touch()
    assert latest_run(tmp_path, "tiny") == second


def test_corrupt_and_tiny_pictures_are_left_out_and_counted(
    tiny: Config, faces: Path, tmp_path: Path
) -> None:
    (faces / "train" / "broken.jpg").write_bytes(b"\xff\xd8\xff not an image")
    run = begin(tiny, tmp_path / "runs")
    run.train()
    first = json.loads((run.folder / "log.jsonl").read_text().splitlines()[0])
    assert first["faces"] + first["skipped"] >= 5
    assert len(losses(run.folder)) == 4


def test_damage_that_a_data_worker_finds_reaches_the_log(
    tiny_with: Callable[..., Config],
    faces: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = faces / "train" / "0.png"
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(400) + data[500:])  # head and tail are fine
    run = begin(tiny_with("data.workers=1"), tmp_path / "runs")
    run.train()
    lines = map(json.loads, (run.folder / "log.jsonl").read_text().splitlines())
    counts = [(line["faces"], line["skipped"]) for line in lines if "skipped" in line]
    assert counts[-1] == (5, 1)
    assert caplog.text.count("0.png: it cannot be decoded") == 1


def test_empty_folder_is_an_error_at_start(tiny: Config, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    data = replace(tiny.data, train=(str(tmp_path / "nothing"),))
    with pytest.raises(TrainingError, match="nothing"):
        begin(replace(tiny, data=data), tmp_path / "runs")


def test_loss_that_needs_a_file_says_which_at_start(tiny: Config, tmp_path: Path) -> None:
    loss = replace(tiny.loss, perceptual=1, lpips=1)
    with pytest.raises(ConfigError) as caught:
        begin(replace(tiny, loss=loss), tmp_path / "runs")
    for part in ("files.vgg19", "vgg19-dcbb9e9d.pth", "files.lpips_backbone", "SqueezeNet"):
        assert part in str(caught.value)


def test_init_starts_from_weights_and_refuses_those_of_another_network(
    tiny: Config, tmp_path: Path
) -> None:
    first = begin(tiny, tmp_path / "runs")
    first.train()
    weights = str(first.folder / "weights.safetensors")
    second = begin(replace(tiny, network=replace(tiny.network, init=weights)), tmp_path / "second")
    before = first.averages[0].state_dict()
    for name, value in second.generator.state_dict().items():
        assert torch.equal(value, before[name])
    other = replace(tiny.network, init=weights, n_mlp=3)
    with pytest.raises(ConfigError, match=r"network\.init"):
        begin(replace(tiny, network=other), tmp_path / "third")


def test_learning_lowers_the_loss(tiny: Config, tmp_path: Path) -> None:
    """From a random network: without learning, the loss of later faces is that of the first."""

    def fall(lr: float) -> float:
        loss = replace(tiny.loss, adversarial=0, feature_matching=0)
        optimiser = replace(tiny.optimiser, lr=lr)
        config = replace(tiny, loss=loss, optimiser=optimiser, stages=(Stage(steps=16),), every=16)
        run = begin(config, tmp_path / f"{lr}")
        run.train()
        values = [line["l1"] for line in losses(run.folder)]
        return sum(values[-4:]) / sum(values[:4])

    assert fall(5e-3) < 0.75
    assert fall(1e-9) > 0.9


@pytest.mark.parametrize(
    ("earlier", "later"),
    [({"l1": 0.2}, {"l1": 0.3, "lpips": 0.5}), ({"l1": 0.4, "lpips": 0.1}, {"l1": 0.3})],
    ids=["lpips-from-now-on", "lpips-no-longer"],
)
def test_best_is_kept_by_one_measure_though_a_resume_brings_another(
    tiny: Config,
    earlier: dict[str, float],
    later: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures = [earlier, later, {name: value + 0.01 for name, value in later.items()}]
    monkeypatch.setattr(Validation, "figures", lambda *_: figures.pop(0))
    run = begin(replace(tiny, stages=(Stage(steps=2),)), tmp_path)
    run.train()
    kept = [(run.folder / "best.safetensors").read_bytes()]
    for steps in (4, 6):
        resume(replace(tiny, stages=(Stage(steps=steps),)), run.folder).train()
        kept.append((run.folder / "best.safetensors").read_bytes())
    assert kept[0] != kept[1]  # better by what both sittings have, or the first of its measure
    assert kept[1] == kept[2]


def test_second_signal_is_not_held_back(tiny: Config, tmp_path: Path) -> None:
    """The first Ctrl-C lets the step end; the second one does what it always does."""
    run = begin(tiny, tmp_path / "runs")

    def interrupt_twice(_step: int, _figures: dict[str, float]) -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)  # two signals before a handler runs would count as one
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run.train(interrupt_twice)
    finally:
        signal.signal(signal.SIGINT, before)


def test_line_cut_by_a_power_failure_does_not_stop_a_resume(tiny: Config, tmp_path: Path) -> None:
    run = begin(tiny, tmp_path / "runs")
    run.train()
    with (run.folder / "log.jsonl").open("a") as log:
        log.write('{"kind": "tra')
    assert resume(tiny, run.folder).step == 4
    assert [line["step"] for line in losses(run.folder)] == [1, 2, 3, 4]


def test_resumed_run_needs_its_first_weights_no_longer_and_notes_new_settings(
    tiny: Config, tmp_path: Path
) -> None:
    first = begin(tiny, tmp_path / "runs")
    first.train()
    weights = first.folder / "weights.safetensors"
    network = replace(tiny.network, init=str(weights))
    second = begin(replace(tiny, network=network), tmp_path / "second")
    second.train()
    weights.unlink()
    slower = replace(tiny, network=network, optimiser=replace(tiny.optimiser, lr=1e-4))
    assert resume(slower, second.folder).step == 4
    assert parse_config((second.folder / "config-4.toml").read_text()) == slower


def test_nan_under_f16_rolls_back_too(tiny: Config, tmp_path: Path) -> None:
    run = begin(replace(tiny, precision="f16"), tmp_path / "runs")

    def poison(step: int, _figures: dict[str, float]) -> None:
        if step == 3 and run.retries == 0:
            next(run.generator.parameters()).data.fill_(float("nan"))

    run.train(poison)
    assert run.retries == 1
    weights = load_checkpoint(run.folder, tiny)["g"].values()
    assert all(value.isfinite().all() for value in weights)


def test_run_without_faces_names_the_setting(tiny: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.val is empty"):
        begin(replace(tiny, data=replace(tiny.data, val=())), tmp_path / "runs")


def test_every_average_is_evaluated_and_the_best_of_them_kept(
    tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny_with("optimiser.ema_half_lives=[1, 1000]", "network.init=")
    run = begin(config, tmp_path / "runs")
    run.train()
    lines = map(json.loads, (run.folder / "log.jsonl").read_text().splitlines())
    told = [entry for entry in lines if entry["kind"] == "val" and entry["step"] == 4]
    assert [entry["half_life"] for entry in told] == [1, 1000]
    again = resume(config, run.folder)
    for before, after in zip(run.averages, again.averages, strict=True):
        assert all(
            torch.equal(value, after.state_dict()[name])
            for name, value in before.state_dict().items()
        )


def test_weights_of_every_stage_are_kept(tiny_with: Callable[..., Config], tmp_path: Path) -> None:
    run = begin(tiny_with("stages=[{steps=1}, {steps=2}]", "every=100"), tmp_path / "runs")
    run.train()
    assert all(find_model(run.folder / f"stage-{n}.safetensors").size == 32 for n in (0, 1))


def test_half_of_the_held_out_faces_choose_the_weights(
    tiny_with: Callable[..., Config], faces: Path
) -> None:
    def shown(half: str) -> torch.Tensor:
        config = tiny_with(f"data.half={half}", 'degradation.presets=["none"]')
        known = open_faces([faces / "val"], 32)
        return Validation(known, recipe(("none",)), config).shown.truth

    both, even, odd = (shown(half) for half in ("", "even", "odd"))
    assert torch.equal(torch.cat([even, odd]), both)


def test_evaluation_needs_a_sharp_face(tiny_with: Callable[..., Config], faces: Path) -> None:
    row = {"file": "val/0.png", "size": 64, "native": 8, "points_xy": None}
    (faces / "crops.jsonl").write_text(json.dumps(row))
    config = tiny_with("data.detail=0.86")
    with pytest.raises(TrainingError, match=r"captured at 0\.86 of 32 px"):
        Validation(open_faces([faces / "val"], 32), recipe(("none",)), config)
