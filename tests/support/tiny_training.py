"""The smallest run that has every part of a real one, and faces for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

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
ema_half_lives = [10]
[[stages]]
steps = 4
"""

#: Settings that make the tiny run one of a sub-pixel network that grows.
SUBPIXEL = (
    "network.subpixel=4",
    "network.refine_width=5",
    "network.channels=[8, 8, 6]",
    "network.size=64",
    "stages=[{steps=1, size=32}, {steps=3, size=64}]",
)


def draw_faces(folder: Path) -> Path:
    """Folders `train` and `val` of a few drawn images."""
    for split, count in (("train", 5), ("val", 2)):
        (folder / split).mkdir()
        for number in range(count):
            coarse = np.random.default_rng((count, number)).integers(0, 256, (8, 8, 3), np.uint8)
            image = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / split / f"{number}.png"), image)
    return folder
