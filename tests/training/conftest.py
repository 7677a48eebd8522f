"""Small faces and configs for tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from gpen.training.config import Config, parse_config

CONFIG = """
name = "tiny"
precision = "f32"
device = "cpu"
every = 2
log_every = 1
[network]
size = 32
style_dim = 16
n_mlp = 2
channel_multiplier = 1
narrow = 0.03125
[discriminator]
channel_multiplier = 1
narrow = 0.03125
group = 2
[loss]
adversarial = 0.1
feature_matching = 0.1
r1_every = 2
eyes = 1
[data]
validated = 2
workers = 0
[optimiser]
batch = 4
ema_half_life = 10
[[stages]]
steps = 4
"""


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Folders `train` and `val` of a few drawn pictures."""
    for split, count in (("train", 5), ("val", 2)):
        (tmp_path / split).mkdir()
        for number in range(count):
            coarse = np.random.default_rng((count, number)).integers(0, 256, (8, 8, 3), np.uint8)
            picture = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(tmp_path / split / f"{number}.png"), picture)
    return tmp_path


@pytest.fixture
def tiny_with(faces: Path) -> Callable[..., Config]:
    """Makes the tiny run with some settings changed."""

    def make(*overrides: str) -> Config:
        data = (f"data.train={faces / 'train'}", f"data.val={faces / 'val'}")
        return parse_config(CONFIG, [*data, *overrides])

    return make


@pytest.fixture
def tiny(tiny_with: Callable[..., Config]) -> Config:
    """A run of four adversarial steps at 32 px."""
    return tiny_with()
