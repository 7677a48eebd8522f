"""Bounded work in threads: order, bounds, errors, leaving early."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator

import pytest

from gpen.concurrency import Once, in_parallel


def test_every_item_is_done_once() -> None:
    assert sorted(in_parallel(lambda n: n * n, range(50), jobs=3)) == [n * n for n in range(50)]
    assert list(in_parallel(str, [], jobs=3)) == []


def test_results_come_as_they_are_ready_or_in_order() -> None:
    first_may_end = threading.Event()

    def work(n: int) -> int:
        if n == 0:
            assert first_may_end.wait(10)
        return n

    results = in_parallel(work, range(4), jobs=2)
    early = [next(results) for _ in range(3)]
    first_may_end.set()
    assert sorted(early) == [1, 2, 3]
    assert list(results) == [0]

    slow_first = in_parallel(
        lambda n: (time.sleep(0.05 / (n + 1)), n)[1], range(6), jobs=3, in_order=True
    )
    assert list(slow_first) == list(range(6))


@pytest.mark.parametrize("in_order", [False, True])
def test_memory_is_bounded_however_many_items_there_are(in_order: bool) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for n in range(100):
            taken += 1
            yield n

    for done, _ in enumerate(in_parallel(lambda n: n, items(), jobs=2, in_order=in_order)):
        assert taken <= done + 4


def test_jobs_run_at_the_same_time_and_no_more() -> None:
    together = threading.Barrier(3)
    assert list(in_parallel(lambda _: together.wait(10) >= 0, range(6), jobs=3)) == [True] * 6
    lock, now, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1

    list(in_parallel(work, range(20), jobs=3))
    assert most == 3


def test_leaving_early_finishes_what_has_begun_and_starts_nothing() -> None:
    begun, ended = [], []

    def work(n: int) -> int:
        begun.append(n)
        time.sleep(0.01)
        ended.append(n)
        return n

    results = in_parallel(work, range(1000), jobs=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert begun
    assert sorted(begun) == sorted(ended)
    count = len(begun)
    time.sleep(0.05)
    assert len(begun) == count <= 5


def test_an_error_reaches_the_caller_and_ends_the_work() -> None:
    def work(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    results = in_parallel(work, range(1000), jobs=2, in_order=True)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert list(results) == []


def test_once_makes_one_thing_for_all_threads() -> None:
    started = threading.Barrier(4)
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    once = Once(make)

    def use(_: int) -> object:
        started.wait(10)
        return once()

    assert set(in_parallel(use, range(4), jobs=4)) == set(made)
    assert len(made) == 1


def test_once_tries_again_after_an_error_and_survives_pickling() -> None:
    outputs = iter([ValueError("not yet"), 7])

    def make() -> int:
        output = next(outputs)
        if isinstance(output, Exception):
            raise output
        return output

    once = Once(make)
    with pytest.raises(ValueError, match="not yet"):
        once()
    assert once() == 7
    assert pickle.loads(pickle.dumps(Once(dict)))() == {}  # noqa: S301
