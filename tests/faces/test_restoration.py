"""Pixels go through the network and come back as pixels."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen.engines.shared_engine import SharedEngine
from gpen.errors import EngineError
from gpen.faces.restoration import restore_crops


class Pointwise:
    """An engine that does arithmetic on each value and remembers the batches it saw."""

    name, device, precision = "pointwise", "cpu", "f32"

    def __init__(self, function=lambda x: x, size: int = 8, in_size: int | None = None) -> None:
        self.function, self.size, self.in_size = function, size, in_size or size
        self.batches: list[np.ndarray] = []

    def run(self, crops: np.ndarray) -> np.ndarray:
        self.batches.append(crops)
        enlarged = crops.repeat(self.size // self.in_size, 2).repeat(self.size // self.in_size, 3)
        return self.function(enlarged)


def random_crop(dtype: type, size: int = 8, seed: int = 0) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (size, size, 3), dtype, endpoint=True)


@given(st.sampled_from([np.uint8, np.uint16]), st.integers(0, 2**32))
def test_identity_returns_every_pixel(dtype: type, seed: int) -> None:
    crop = random_crop(dtype, seed=seed)
    (output,) = restore_crops([crop], Pointwise())
    assert output.dtype == dtype
    np.testing.assert_array_equal(output, crop)


def test_every_level_survives() -> None:
    for dtype, size in ((np.uint8, 16), (np.uint16, 256)):
        levels = np.arange(size * size, dtype=np.uint32).astype(dtype).reshape(size, size, 1)
        crop = np.repeat(levels, 3, axis=2)
        np.testing.assert_array_equal(restore_crops([crop], Pointwise(size=size))[0], crop)


def test_network_sees_rgb_planes_from_minus_one_to_one() -> None:
    engine = Pointwise()
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[2, 5] = (255, 0, 51)
    restore_crops([crop], engine)
    (batch,) = engine.batches
    assert (batch.shape, batch.dtype) == ((1, 3, 8, 8), np.float32)
    np.testing.assert_allclose(batch[0, :, 2, 5], [1, -1, -0.6], atol=1e-6)
    assert batch[0, :, 0, 0].tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("value", "level"),
    [
        pytest.param(-7.0, 0, id="clipped_below"),
        pytest.param(1.001, 255, id="clipped_above"),
        pytest.param((100.4 / 127.5) - 1, 100, id="rounded_down"),
        pytest.param((100.6 / 127.5) - 1, 101, id="rounded_up"),
    ],
)
def test_answers_are_clipped_and_rounded_to_nearest(value: float, level: int) -> None:
    engine = Pointwise(lambda x: np.full_like(x, value))
    assert (restore_crops([random_crop(np.uint8)], engine)[0] == level).all()


def test_crops_go_through_in_batches_and_keep_their_order() -> None:
    engine = Pointwise(lambda x: -x)
    crops = [random_crop(np.uint8, seed=i) for i in range(5)]
    crops[3] = random_crop(np.uint16)
    outputs = restore_crops(crops, engine, batch_size=2)
    assert [len(batch) for batch in engine.batches] == [2, 2, 1]
    for crop, output in zip(crops, outputs, strict=True):
        np.testing.assert_array_equal(output, np.iinfo(crop.dtype).max - crop)
        assert output.dtype == crop.dtype


def test_no_crops_need_no_network() -> None:
    engine = Pointwise()
    assert restore_crops([], engine) == []
    assert not engine.batches


def test_super_resolution_is_fed_shrunk_crops() -> None:
    engine = Pointwise(in_size=4)
    crop = np.repeat(np.repeat(random_crop(np.uint8, size=4), 2, axis=0), 2, axis=1)
    (output,) = restore_crops([crop], engine)
    assert engine.batches[0].shape == (1, 3, 4, 4)
    np.testing.assert_array_equal(output, crop)


def test_a_crop_of_another_size_is_told() -> None:
    with pytest.raises(EngineError, match=r"shape \(4, 4, 3\); expected \(8, 8, 3\)"):
        restore_crops([random_crop(np.uint8, size=4)], Pointwise())


def test_values_that_are_no_numbers_never_become_pixels() -> None:
    engine = Pointwise(lambda x: x * np.float32("nan"))
    with pytest.raises(EngineError, match="choose --precision f32"):
        restore_crops([random_crop(np.uint8)], engine)


class Slow(Pointwise):
    """Lets the other threads wait for it before its first output, and fails on a marked crop."""

    def __init__(self, shared_by: int = 1) -> None:
        super().__init__()
        self.shared_by, self.shared = shared_by, None

    def run(self, crops: np.ndarray) -> np.ndarray:
        deadline = time.monotonic() + 10
        while not self.batches and self.shared is not None and time.monotonic() < deadline:
            if len(self.shared._waiting) == self.shared_by - 1:
                break
            time.sleep(0.001)
        self.batches.append(crops)
        if (crops == 9).any():
            raise EngineError("this crop is bad", engine=self.name)
        return -crops


def ask(shared: SharedEngine, value: float, count: int = 1) -> np.ndarray:
    return shared.run(np.full((count, 3, 8, 8), value, np.float32))


def test_threads_that_wait_share_batches_and_each_gets_its_own_answer() -> None:
    engine = Slow(shared_by=8)
    engine.shared = SharedEngine(engine, batch_size=4)
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda n: ask(engine.shared, n), range(8)))
    assert [output.shape for output in outputs] == [(1, 3, 8, 8)] * 8
    assert [float(output[0, 0, 0, 0]) for output in outputs] == [-n for n in range(8)]
    assert [len(batch) for batch in engine.batches] == [1, 4, 3]


def test_a_batch_takes_no_more_crops_than_it_may() -> None:
    engine = Slow(shared_by=3)
    engine.shared = SharedEngine(engine, batch_size=4)
    with ThreadPoolExecutor(3) as pool:
        outputs = list(pool.map(lambda n: ask(engine.shared, n, count=3), range(3)))
    assert [float(output[2, 0, 0, 0]) for output in outputs] == [0, -1, -2]
    assert [len(batch) for batch in engine.batches] == [3, 3, 3]
    assert ask(SharedEngine(Pointwise()), 1, count=9).shape == (9, 3, 8, 8)


def test_one_threads_bad_crop_is_no_other_threads_error() -> None:
    engine = Slow(shared_by=4)
    engine.shared = SharedEngine(engine, batch_size=4)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, engine.shared, value) for value in (1, 2, 9, 3)]
    assert isinstance(asked[2].exception(), EngineError)
    assert [float(asked[n].result()[0, 0, 0, 0]) for n in (0, 1, 3)] == [-1, -2, -3]
    assert float(ask(engine.shared, 5)[0, 0, 0, 0]) == -5


def test_errors_of_common_batches_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    begun, others_wait = threading.Event(), threading.Event()

    class OneByOne(Pointwise):
        def run(self, crops: np.ndarray) -> np.ndarray:
            begun.set()
            assert others_wait.wait(10)
            if len(crops) > 1:
                raise EngineError("one crop at a time\n  at some.cpp:12", engine=self.name)
            return -crops

    shared = SharedEngine(OneByOne())
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, shared, 0)]
        assert begun.wait(10)
        asked += [pool.submit(ask, shared, value) for value in (1, 2)]
        while len(shared._waiting) < 2:
            time.sleep(0.001)
        others_wait.set()
        assert [float(future.result(10)[0, 0, 0, 0]) for future in asked] == [0, -1, -2]
    assert caplog.messages == [
        "2 crops failed together; the 2 requests go one by one: one crop at a time"
    ]


def test_an_interrupted_thread_leaves_the_others_their_answers() -> None:
    begun, interrupt = threading.Event(), threading.Event()

    class Interrupted(Pointwise):
        def run(self, crops: np.ndarray) -> np.ndarray:
            self.batches.append(crops)
            if len(self.batches) == 2:  # the batch in which the others wait
                raise KeyboardInterrupt
            if len(self.batches) == 1:
                begun.set()
                assert interrupt.wait(10)
            return -crops

    engine = Interrupted()
    shared = SharedEngine(engine)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, shared, 0)
        assert begun.wait(10)
        others = [pool.submit(ask, shared, value) for value in (1, 2, 3)]
        while len(shared._waiting) < 3:
            time.sleep(0.001)
        interrupt.set()
        outcomes = [future.exception(10) for future in [first, *others]]
    assert sum(isinstance(outcome, KeyboardInterrupt) for outcome in outcomes) == 1
    done = [f for f, outcome in zip([first, *others], outcomes, strict=True) if outcome is None]
    assert len(done) == 3
    assert not any(np.isnan(f.result()).any() for f in done)


def test_a_shared_engine_says_what_its_engine_says() -> None:
    engine = Pointwise(in_size=4)
    shared = SharedEngine(engine)
    for name in ("name", "device", "precision", "size", "in_size"):
        assert getattr(shared, name) == getattr(engine, name)
