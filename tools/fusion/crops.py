"""Damaged crops and what is wrong with them, band by band and region by region."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gpen.blending.fusion import luma_chroma, split_bands
from gpen.networks.reliability import BANDS, CELL
from gpen.training.degradation import Chain, Step, UInt8Array, degrade, recipe

#: Shares of the recipes, and of undamaged crops among them.
RECIPES = (
    *("none", "soft", "resized", "resized", "phone", "web", "video"),
    *("real", "real", "tiny", "tiny", "codeformer"),
)
#: Faces of a few pixels, enlarged to a whole crop.
SPECKS = Chain(((Step("shrink_anyhow", {"factor": (6.0, 40.0)}, by_ratio=True),),), cubic=True)
#: Levels² that a band of luma and of chroma counts for at least: errors below are not seen.
FLOOR = (0.3, 0.15)
#: Least and most of the target, base-2 logarithms of error over signal.
LOWEST, HIGHEST = -6.0, 1.0
#: Source pixels along a crop from which its finest detail at 512 px is its own.
NATIVE = 470


class DamagedCrops(Dataset[tuple[Tensor, Tensor]]):
    """Crops of one side with their targets, endless: item `i` follows from the seed and `i`.

    Half of the crops of 256 px are windows of larger ones, which show a part of a face, as the
    finest bands of large crops are judged.

    Args:
        folder: That of `crops.jsonl`.
        split: "train" or "val".
        size: 256 or 512.
        seed: Decides all that is drawn.
    """

    def __init__(self, folder: Path, split: str, size: int, seed: int) -> None:
        lines = (folder / "crops.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        rows = [row for row in rows if f"/{split}/" in row["file"] and row["inside"] > 0.6]
        self._large = [
            folder / r["file"] for r in rows if r["size"] == 512 and r["native"] >= NATIVE
        ]
        self._small = [folder / r["file"] for r in rows]
        self._size, self._seed = size, seed
        drawn = recipe(RECIPES, light=0.25)
        self._recipe = replace(drawn, chains=(*drawn.chains, SPECKS))

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """(3, S, S) uint8 RGB, and (2, BANDS, S / 16, S / 16) targets."""
        cv2.setNumThreads(1)
        random = np.random.default_rng((self._seed, self._size, index))
        windowed = self._size == 256 and random.random() < 0.5
        files = self._large if windowed or self._size == 512 else self._small
        truth = _read(files[int(random.integers(len(files)))], 512 if windowed else self._size)
        damaged, truth = degrade(truth, random, self._recipe)
        damaged, truth = _aligned_alike(damaged, truth, random)
        if windowed:
            x, y = random.integers(0, 512 - 256 + 1, 2)
            damaged, truth = (p[y : y + 256, x : x + 256] for p in (damaged, truth))
        crop = torch.from_numpy(np.ascontiguousarray(damaged.transpose(2, 0, 1)))
        return crop, torch.from_numpy(target(damaged, truth))


def _read(path: Path, size: int) -> UInt8Array:
    bgr: Any = cv2.imread(str(path))
    if len(bgr) != size:
        bgr = cv2.resize(bgr, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _aligned_alike(
    damaged: UInt8Array, truth: UInt8Array, random: np.random.Generator
) -> tuple[UInt8Array, UInt8Array]:
    """Both resampled as alignment does it; damage seldom lies straight in a crop."""
    if random.random() < 0.5:
        damaged, truth = damaged[:, ::-1], truth[:, ::-1]
    if random.random() < 0.3:
        return np.ascontiguousarray(damaged), np.ascontiguousarray(truth)
    middle, size = (len(truth) - 1) / 2, len(truth)
    angle, scale = random.normal(0, 12), float(np.exp(random.uniform(-0.15, 0.15)))
    matrix = cv2.getRotationMatrix2D((middle, middle), angle, scale)
    warped = [
        cv2.warpAffine(
            np.ascontiguousarray(p),
            matrix,
            (size, size),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for p in (damaged, truth)
    ]
    return np.asarray(warped[0], np.uint8), np.asarray(warped[1], np.uint8)


def target(damaged: UInt8Array, truth: UInt8Array) -> Any:
    """Base-2 logarithm of error over signal, (2, BANDS, cells, cells) float32."""
    wanted = luma_chroma(truth.astype(np.float32))
    wrong = luma_chroma(damaged.astype(np.float32)) - wanted
    cells = len(truth) // CELL
    result = np.empty((2, BANDS, cells, cells), np.float32)
    for band, (signal, error) in enumerate(
        zip(split_bands(wanted, BANDS), split_bands(wrong, BANDS), strict=True)
    ):
        for kind, channels in enumerate((slice(0, 1), slice(1, 3))):
            energies = [_energy(x[..., channels], cells, band) for x in (signal, error)]
            ratio = (energies[1] + 1e-3) / (energies[0] + FLOOR[kind])
            result[kind, band] = np.clip(np.log2(ratio), LOWEST, HIGHEST)
    return result


def _energy(band: Any, cells: int, number: int) -> Any:
    """Mean square by cell, smooth: coarse bands have few pixels in a cell."""
    squares = np.square(band).sum(axis=2)
    by_cell = cv2.resize(squares, (cells, cells), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(by_cell, (0, 0), 1.0 if number < BANDS - 2 else 1.6)
