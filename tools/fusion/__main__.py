"""Trains and writes `gpen-reliability.onnx`.

    python -m tools.fusion FACES OUT.onnx [--minutes 40]

FACES is the folder of `crops.jsonl`. Ctrl-C or SIGTERM ends the training early; what was learned
is written all the same. STATE.pt beside OUT keeps it: started again, the training goes on from it.
"""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from gpen.blending.reliability_estimator import HALF_WAY
from gpen.networks.reliability import ReliabilityNet

from .crops import DamagedCrops
from .export import export_onnx

BATCH = {512: 8, 256: 24}
RATE = 3e-3


def shares(logarithm: Tensor) -> Tensor:
    """The input's share of each band: `reliability_estimator.input_share`, not stretched."""
    half_way = torch.tensor(HALF_WAY).log2().view(2, 1, 1, 1)
    return torch.sigmoid(-2 * math.log(2) * (logarithm - half_way))


def loss(output: Tensor, wanted: Tensor) -> Tensor:
    """What matters is the share; the logarithm tells the way where shares are flat."""
    return (shares(output) - shares(wanted)).abs().mean() + 0.05 * functional.smooth_l1_loss(
        output, wanted
    )


def batches(folder: Path, split: str, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of both sizes in turn."""
    loaders = [
        iter(DataLoader(DamagedCrops(folder, split, size, seed), batch, num_workers=1))
        for size, batch in BATCH.items()
    ]
    while True:
        for loader in loaders:
            crops, wanted = next(loader)
            yield crops.float() / 127.5 - 1, wanted


@torch.no_grad()
def errors(net: nn.Module, held_out: list[tuple[Tensor, Tensor]]) -> np.ndarray:
    """Mean absolute error of the shares of luma, by band."""
    differences = [
        (shares(net(crops)) - shares(wanted)).abs()[:, 0].mean(dim=(0, 2, 3))
        for crops, wanted in held_out
    ]
    return torch.stack(differences).mean(dim=0).numpy()


def train(folder: Path, minutes: float, state: Path) -> ReliabilityNet:
    """Train for some minutes, with a rate that falls to 0; returns the moving average."""
    torch.manual_seed(0)
    net, average = ReliabilityNet(), ReliabilityNet()
    if state.exists():
        net.load_state_dict(torch.load(state, weights_only=True))
    average.load_state_dict(net.state_dict())
    adam = torch.optim.Adam(net.parameters(), RATE, betas=(0.9, 0.99))
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    stream = batches(folder, "train", seed=int(time.time()))
    held_out = [batch for batch, _ in zip(batches(folder, "val", seed=7), range(10), strict=False)]
    started, step = time.monotonic(), 0
    while not stopped and (progress := (time.monotonic() - started) / 60 / minutes) < 1:
        adam.param_groups[0]["lr"] = (
            RATE * min(1, (step + 1) / 100) * math.cos(progress * math.pi / 2)
        )
        crops, wanted = next(stream)
        value = loss(net(crops), wanted)
        adam.zero_grad(set_to_none=True)
        value.backward()
        adam.step()
        step += 1
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, max(0.01, 1 / (step + 1)))
        if step % 200 == 0:
            figures = " ".join(f"{x:.3f}" for x in errors(average, held_out))
            print(
                f"{step} steps, {progress:.0%}, loss {float(value):.3f}, held out {figures}",
                flush=True,
            )
            torch.save(average.state_dict(), state)
    torch.save(average.state_dict(), state)
    return average


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=40.0)
    options = parser.parse_args()
    torch.set_num_threads(2)
    net = train(options.faces, options.minutes, options.out.with_suffix(".pt"))
    export_onnx(net, options.out)


if __name__ == "__main__":
    main()
