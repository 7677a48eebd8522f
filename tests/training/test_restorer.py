"""The perceptual distance, and a training run that stops, goes on and grows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpen.perception.lpips import Lpips  # noqa: E402
from gpen.training.restorer import Config, Run, train  # noqa: E402
from gpen.training.tensors import to_tensor  # noqa: E402


def _picture(size: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def config(shared: Path, tmp_path: Path) -> Config:
    faces = tmp_path / "faces"
    rows = []
    for split in ("train", "val"):
        (faces / "crops" / split).mkdir(parents=True)
        for i in range(3):
            name = f"crops/{split}/{i}.jpg"
            cv2.imwrite(str(faces / name), _picture(64, i))
            rows.append(json.dumps({"file": name, "inside": 1.0}))
    (faces / "crops.jsonl").write_text("\n".join(rows))
    return Config(
        faces=faces,
        models=shared / "models",
        run=tmp_path / "run",
        size=64,
        start_size=32,
        steps=4,
        grow_at=2,
        batch=2,
        narrow=0.03125,
        every=1,
        evaluated=2,
    )


def test_perceptual_distance_grows_with_blur(shared: Path) -> None:
    models = shared / "models"
    distance = Lpips(
        models / "squeezenet1_1.safetensors", models / "lpips_v0.1_squeeze.pth"
    )
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sharp, soft, softer = (
        to_tensor(image[None].astype(np.uint8))
        for image in (
            noise,
            cv2.GaussianBlur(noise, (0, 0), 0.6),
            cv2.GaussianBlur(noise, (0, 0), 2),
        )
    )
    assert float(distance(sharp, sharp)) == 0
    assert 0 < float(distance(sharp, soft)) < float(distance(sharp, softer))


def test_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    config: Config, tmp_path: Path
) -> None:
    whole = train(config)
    for steps in (1, 3):  # stopped before and after growing
        stopped = Run(replace(config, run=tmp_path / "stopped"))
        stopped.config.run.mkdir(exist_ok=True)
        checkpoint = stopped.config.run / "checkpoint.pt"
        _train_until(stopped, steps, checkpoint)
    resumed = train(replace(config, run=tmp_path / "stopped"))
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def _train_until(run: Run, steps: int, checkpoint: Path) -> None:
    from gpen.training.restorer import load_crops

    if checkpoint.exists():
        run.load(checkpoint)
    while run.step < steps:
        if run.step == run.config.grow_at:
            run.grow()
        run.train_step(*load_crops(run.config.faces, "train", run.size))
    run.save(checkpoint)


def test_growing_keeps_what_was_learned_and_adds_a_silent_level(config: Config) -> None:
    run = Run(config)
    small = {k: v.clone() for k, v in run.net.state_dict().items()}
    run.grow()
    grown = run.net.state_dict()
    assert run.size == 64
    assert torch.equal(grown["ecd2.0.1.weight"], small["ecd1.0.1.weight"])
    assert torch.equal(grown["generator.to_rgbs.2.bias"], small["generator.to_rgbs.2.bias"])
    assert not grown["generator.to_rgbs.3.conv.weight"].any()


def test_a_grown_network_first_answers_like_the_smaller_one_enlarged(config: Config) -> None:
    run = Run(config)
    for name, parameter in run.net.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    coarse = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")
    halved = torch.nn.functional.avg_pool2d(picture, 2)
    with torch.inference_mode():
        small = run.net(halved)
    run.grow()
    with torch.inference_mode():
        grown = run.net(picture)
    enlarged = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    assert float((grown - enlarged).abs().mean()) < 0.05 * float(enlarged.std())
