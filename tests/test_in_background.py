"""Stages in threads: order, bounds, errors, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from gpen.concurrency import in_background


def stages_alive() -> int:
    return sum(thread.name == "gpen-stage" for thread in threading.enumerate())


def test_items_come_in_order_and_all() -> None:
    assert list(in_background((n for n in range(100)), 3)) == list(range(100))


def test_runs_only_a_few_items_ahead() -> None:
    made: list[int] = []

    def numbers() -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            yield number

    taken = in_background(numbers(), 2)
    assert next(taken) == 0
    time.sleep(0.2)
    assert len(made) <= 5
    taken.close()
    assert stages_alive() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    def breaks() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise OSError("disk on fire")

    got = []
    with pytest.raises(OSError, match="on fire"):
        got.extend(number for number in in_background(breaks(), 1))
    taken = in_background(breaks(), 1)
    assert [next(taken), next(taken)] == [1, 2]
    with pytest.raises(OSError, match="on fire"):
        next(taken)


def test_leaving_a_chain_of_stages_closes_them_all() -> None:
    closed: list[str] = []

    def source() -> Generator[int, None, None]:
        try:
            yield from range(10_000)
        finally:
            closed.append("source")

    def doubled(items: Generator[int, None, None]) -> Generator[int, None, None]:
        try:
            for item in items:
                yield 2 * item
        finally:
            closed.append("doubled")
            items.close()

    chain = in_background(doubled(in_background(source(), 2)), 2)
    assert next(chain) == 0
    chain.close()
    assert closed == ["doubled", "source"]
    assert stages_alive() == 0
