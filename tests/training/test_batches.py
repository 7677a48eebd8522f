"""Batches: decided by seed, step and number alone, whoever makes them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpen.training.batches import Batches, damage, mirrored, numbers_of_part, sharp_faces  # noqa: E402
from gpen.training.config import Config  # noqa: E402
from gpen.training.degradation import recipe  # noqa: E402
from gpen.training.face_dataset import open_faces  # noqa: E402


@pytest.fixture
def batches(faces: Path, tiny_with: Callable[..., Config]) -> Callable[..., Batches]:
    def make(
        *overrides: str, step: int = 0, retry: int = 0, rank: int = 0, world: int = 1
    ) -> Batches:
        return Batches(
            open_faces([faces / "train"], 32),
            recipe(["tiny"]),
            tiny_with(*overrides),
            step=step,
            retry=retry,
            rank=rank,
            world=world,
        )

    return make


def test_later_start_sees_the_faces_of_its_step(batches: Callable[..., Batches]) -> None:
    whole = batches()
    whole.step()
    (second,) = whole.step()
    (same,) = batches(step=1).step()
    assert torch.equal(second.damaged, same.damaged)
    assert torch.equal(second.points_xy, same.points_xy)


def test_processes_and_parts_share_one_batch(batches: Callable[..., Batches]) -> None:
    (whole,) = batches().step()
    halves = [batches(rank=rank, world=2).step()[0].damaged for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), whole.damaged)
    parts = [part.damaged for part in batches("optimiser.accumulate=2").step()]
    assert torch.equal(torch.cat(parts), whole.damaged)
    assert list(numbers_of_part(8, 1, 4)) == [2, 3]


def test_roll_back_draws_other_faces(batches: Callable[..., Batches]) -> None:
    (first,), (other,) = batches().step(), batches(retry=1).step()
    assert not torch.equal(first.damaged, other.damaged)


def test_lost_data_worker_is_replaced_and_no_face_changes(
    batches: Callable[..., Batches], caplog: pytest.LogCaptureFixture
) -> None:
    expected = batches()
    wanted = [expected.step()[0].damaged for _ in range(12)]
    loaded = batches("data.workers=1")
    got = [loaded.step()[0].damaged for _ in range(2)]
    for worker in multiprocessing.active_children():
        os.kill(worker.pid or 0, signal.SIGKILL)
    got += [loaded.step()[0].damaged for _ in range(10)]
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
    assert "a data worker was lost" in caplog.text


def test_mirroring_swaps_left_and_right() -> None:
    points = np.array([[10, 12], [20, 11], [15, 16], [11, 22], [19, 21]], np.float32)
    flipped = mirrored(points, 32)
    assert np.array_equal(flipped[0], [11, 11])
    assert np.array_equal(flipped[3], [12, 21])
    assert np.array_equal(mirrored(flipped, 32), points)


def test_faces_captured_too_small_are_not_sharp_and_looked_at_whole(
    faces: Path, tiny_with: Callable[..., Config]
) -> None:
    rows = [
        {"file": f"train/{number}.png", "size": 64, "native": native, "points_xy": None}
        for number, native in enumerate((20, 27, 28, 64, 0))
    ]
    (faces / "crops.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = tiny_with("data.detail=0.86").data
    known = open_faces([faces / "train"], 32)
    assert sharp_faces(known, data) == [2, 3, 4]
    seen = [damage(face, np.random.default_rng(0), recipe(["none"]), data) for face in known]
    assert all(cut_xy.max() < 0 for *_, sharp, cut_xy in seen if not sharp)
