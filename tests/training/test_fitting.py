"""Which batch fits: said in a line, and true."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from gpen.training.config import Config  # noqa: E402
from gpen.training.estimate import StageEstimate  # noqa: E402
from gpen.training.fitting import advice, free_mib  # noqa: E402


def stage(size: int, faces: int, face_mib: float) -> StageEstimate:
    return StageEstimate(size, 9, 0, 0, faces=faces, fixed_mib=1000, face_mib=face_mib, seconds=1.0)


def said(config: Config, free: float, *, world: int = 1, face_mib: float = 500) -> str:
    faces = config.optimiser.batch // (world * config.optimiser.accumulate)
    stages = [stage(128, faces, 100), stage(256, faces, face_mib), stage(256, faces, 200)]
    line = advice(config, stages, world, free)
    assert "\n" not in line
    return line


def test_batch_that_fits_is_left_as_it_is(tiny_with: Callable[..., Config]) -> None:
    line = said(tiny_with("optimiser.batch=16"), free=20_000)
    assert "16 at once at 256 px need about 8.8 GiB of 19.5 GiB that are free" in line
    assert line.endswith("up to 30 at once would fit")


@pytest.mark.parametrize(
    ("batch", "group", "world", "free"),
    [(16, 2, 1, 6000), (16, 2, 2, 6000), (16, 2, 1, 2600), (24, 3, 2, 4500), (30, 0, 1, 5200)],
)
def test_parts_that_are_proposed_fit_and_can_be_shared_out(
    tiny_with: Callable[..., Config], batch: int, group: int, world: int, free: float
) -> None:
    config = tiny_with(f"optimiser.batch={batch}", f"discriminator.group={group}")
    found = re.search(
        r"set optimiser\.accumulate=(\d+) or optimiser\.batch=(\d+)$",
        said(config, free, world=world),
    )
    assert found is not None
    parts = world * int(found[1])
    assert batch % (parts * max(1, group)) == 0
    assert 1000 + batch // parts * 500 <= 0.8 * free
    assert int(found[2]) % (world * max(1, group)) == 0
    assert 1000 + int(found[2]) // world * 500 <= 0.8 * free
    smaller = [n for n in range(1, int(found[1])) if batch % (world * n * max(1, group)) == 0]
    assert all(1000 + batch / (world * n) * 500 > 0.8 * free for n in smaller)


def test_group_that_does_not_fit_is_told(tiny_with: Callable[..., Config]) -> None:
    line = said(tiny_with("optimiser.batch=8", "discriminator.group=8"), free=4000)
    assert "even 8 would need 4.9 GiB" in line
    assert line.endswith("lower network.narrow, network.size or discriminator.group")


def test_face_that_does_not_fit_alone_is_told(tiny_with: Callable[..., Config]) -> None:
    line = said(tiny_with("discriminator.group=0"), free=3000, face_mib=9000)
    assert "even 1 would need 9.8 GiB: choose a device with more" in line


def test_memory_of_the_cpu_is_shared_by_the_processes_of_a_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = free_mib(torch.device("cpu"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert whole > 100
    assert free_mib(torch.device("cpu")) == pytest.approx(whole / 4, rel=0.5)
