"""Threads with a bound on what is in memory: parallel work, pipelined iterators, lazy values."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from itertools import islice
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: How often a waiting thread looks whether anyone still wants its items, in seconds.
_LOOK_EVERY_S = 0.1


class Once(Generic[T]):
    """A lazy value: made on first use, once, from any thread; after an error it is tried again.

    Example:
        >>> number = Once(lambda: 6 * 7)
        >>> number()
        42
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: list[T] = []

    def __reduce__(self) -> tuple[type[Once[T]], tuple[Callable[[], T]]]:
        """Pickled, it makes its own."""
        return Once, (self._make,)

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def in_parallel(
    work: Callable[[T], R], items: Iterable[T], *, jobs: int, in_order: bool = False
) -> Iterator[R]:
    """Do the work on each item in threads, `jobs` at a time, and yield what it returns.

    At most `2 * jobs` items are being worked on or wait to be yielded, so memory does not grow
    with the number of items. They are taken from their iterable in the caller's thread. Leaving
    the generator early, by Ctrl-C too, lets work that has begun finish and starts none.

    Args:
        work: Serves many threads.
        items: One after the other.
        jobs: Threads.
        in_order: Yield in the order of the items, not as they come.

    Raises:
        Exception: What the work or the iterable raised; the rest is left.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="gpen") as pool:
        running: list[Future[R]] = []
        try:
            while True:
                for item in islice(waiting, 2 * jobs - len(running)):
                    running.append(pool.submit(work, item))
                if not running:
                    return
                if not in_order:
                    done = wait(running, return_when=FIRST_COMPLETED).done
                    running.sort(key=lambda future: future not in done)
                yield running.pop(0).result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
