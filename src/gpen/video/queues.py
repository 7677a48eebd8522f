"""Stages side by side: an iterator that runs in a thread of its own, a few items ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from typing import Any, TypeVar

T = TypeVar("T")

#: How often a waiting thread looks whether anyone still wants its items, in seconds.
_LOOK_EVERY_S = 0.1


class _End:
    """Marks the end of the items, or the error that ended them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def in_background(items: Generator[T], depth: int) -> Generator[T]:
    """Iterate in another thread, at most `depth` items ahead of whoever takes them.

    Items come in their order. An error of the iterator is raised after the items before it. Closing
    this generator, or leaving its loop, closes the iterator too and waits for it; chained stages
    thus stop from the last to the first and leave no thread behind.

    Args:
        items: What to iterate; only the other thread touches it.
        depth: Items that may wait, at least 1. With the one in work, `depth + 1` are in memory.
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    unwanted = threading.Event()

    def offer(item: Any) -> None:
        while not unwanted.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=_LOOK_EVERY_S)
                return

    def work() -> None:
        end = _End()
        try:
            with closing(items):
                for item in items:
                    offer(item)
                    if unwanted.is_set():
                        break
        except BaseException as error:  # raised again where the items are taken
            end = _End(error)
        offer(end)

    thread = threading.Thread(target=work, name="gpen-stage", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        thread.join()
